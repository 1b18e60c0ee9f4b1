# Masks of SOTA, or of any folder that sam_annotate.py wrote (import_samrs.py makes one of released
# pickles). Lists: tools/dataset_converters/make_splits.py FOLDER --keep-empty
image_size = (1024, 1024)
data = dict(type='AnnotatedInstanceDataset', data_root='data/samrs/sota', source='sota')
load = [
    dict(type='LoadWindow'),
    dict(type='HideIgnored'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
]
# the inner type counts: mmcv's Resize knows neither masks nor types of boxes
resize = dict(
    type='RandomResize', scale=image_size, ratio_range=(0.75, 1.5), keep_ratio=True,
    resize_type='mmdet.Resize',
)  # fmt: skip
flip = dict(
    type='mmdet.RandomFlip', prob=[0.25, 0.25, 0.25],
    direction=['horizontal', 'vertical', 'diagonal'],
)  # fmt: skip
train_pipeline = [
    *load,
    resize,
    dict(
        type='mmdet.RandomCrop',
        crop_size=image_size,
        recompute_bbox=True,
        allow_negative_crop=True,
    ),
    dict(type='mmdet.FilterAnnotations', min_gt_bbox_wh=(2, 2), keep_empty=False),
    flip,
    dict(type='RandomRotate90', prob=0.5),
    dict(type='mmdet.PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadWindow'),
    dict(type='mmdet.Resize', scale=image_size, keep_ratio=True),
    # behind Resize: scores are of the image's own pixels
    dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='mmdet.PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'),
    ),
]
# 8 images in all, on one GPU; on N GPUs set the batch size to 8 / N
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler', seed=2023, keyed=True),
    dataset=dict(data, ann_file='train.txt', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    # no image twice: it would count twice in the metric
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    # what is found in an image without objects is a false alarm
    dataset=dict(
        data, ann_file='val.txt', filter_empty=False, pipeline=test_pipeline, test_mode=True
    ),
)
test_dataloader = val_dataloader
