# The same images with R-Boxes
_base_ = './sota_instances.py'
image_size = _base_.image_size
load = [
    dict(type='LoadWindow'),
    dict(type='HideIgnored'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True, box_type='qbox'),
    dict(type='mmrotate.ConvertBoxType', box_type_mapping=dict(gt_bboxes='rbox')),
]
train_pipeline = [
    *load,
    dict(
        type='RandomResize', scale=image_size, ratio_range=(0.75, 1.5), keep_ratio=True,
        resize_type='mmdet.Resize',
    ),
    dict(type='mmdet.RandomCrop', crop_size=image_size, allow_negative_crop=True),
    dict(
        type='mmdet.RandomFlip', prob=[0.25, 0.25, 0.25],
        direction=['horizontal', 'vertical', 'diagonal'],
    ),
    dict(
        type='mmrotate.RandomRotate', prob=0.5, angle_range=180, rotate_type='mmrotate.Rotate'
    ),
    dict(type='mmdet.PackDetInputs'),
]  # fmt: skip
test_pipeline = [
    dict(type='LoadWindow'),
    dict(type='mmdet.Resize', scale=image_size, keep_ratio=True),
    *load[2:],
    dict(
        type='mmdet.PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(dataset=dict(boxes='rbox', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(boxes='rbox', pipeline=test_pipeline))
test_dataloader = val_dataloader
