# RTMDet-Ins tiny from random weights on the masks of `make demo`: a quarter of an hour on a CPU
_base_ = '../instance/rtmdet-ins_resnet50_imp_sota.py'
pretrain_source = None
folder, image_size, num_classes = 'data/demo/masks', (256, 256), 11
train_pipeline, test_pipeline = (
    [
        dict(step, **{key: image_size for key in ('scale', 'crop_size') if key in step})
        for step in pipeline
    ]
    for pipeline in (_base_.train_pipeline, _base_.test_pipeline)
)
train_dataloader = dict(
    num_workers=2, dataset=dict(data_root=folder, source='demo', pipeline=train_pipeline)
)
val_dataloader = dict(
    num_workers=0, persistent_workers=False,
    dataset=dict(data_root=folder, source='demo', pipeline=test_pipeline),
)  # fmt: skip
test_dataloader = val_dataloader
channels = [96, 192, 384]
model = dict(
    backbone=dict(
        _delete_=True, type='CSPNeXt', arch='P5', expand_ratio=0.5, deepen_factor=0.167,
        widen_factor=0.375, channel_attention=True, norm_cfg=dict(type='BN'),
        act_cfg=dict(type='SiLU', inplace=True),
    ),
    neck=dict(in_channels=channels, out_channels=channels[0]),
    bbox_head=dict(num_classes=num_classes, in_channels=channels[0], feat_channels=channels[0]),
)  # fmt: skip
optim_wrapper = dict(optimizer=dict(lr=2e-3))
train_cfg = dict(max_iters=400, val_interval=100)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=20, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=200, end=400, T_max=200, eta_min=1e-4, by_epoch=False),
]
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=100))
