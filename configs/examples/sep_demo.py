# Two drawn sources with different classes, a small network: minutes on a CPU (`make demo`)
_base_ = '../sep/upernet_resnet50_scratch.py'
folders = dict(city='data/demo/masks', coast='data/demo/masks-b')
crop = dict(type='RandomScaleCrop', crop_size=(128, 128))
train_pipeline = [dict(type='LoadWindow', crop=crop), *_base_.train_pipeline[1:]]
sources = [dict(type='SAMRSDataset', source=s, data_root=root) for s, root in folders.items()]
train_sources = [dict(s, ann_file='train.txt', pipeline=train_pipeline) for s in sources]
val_sources = [
    dict(s, ann_file='val.txt', pipeline=_base_.val_pipeline, test_mode=True) for s in sources
]
train_dataloader = dict(batch_size=8, num_workers=2, dataset=dict(datasets=train_sources))
val_dataloader = dict(batch_size=1, num_workers=0, persistent_workers=False,
                      dataset=dict(datasets=val_sources))  # fmt: skip
test_dataloader = val_dataloader
model = dict(
    backbone=dict(depth=18),
    decode_head=dict(in_channels=[64, 128, 256, 512], channels=64),
    heads=dict(_delete_=True, city=dict(num_classes=11), coast=dict(num_classes=9)),
)
train_cfg = dict(max_iters=80, val_interval=80)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=80, end=80, by_epoch=False)]
custom_hooks = [dict(type='ValidateFirstHook')]
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=80))
