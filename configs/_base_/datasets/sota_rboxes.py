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
    _base_.resize,
    dict(type='mmdet.RandomCrop', crop_size=image_size, allow_negative_crop=True),
    _base_.flip,
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
