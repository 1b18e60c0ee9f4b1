# sep_study.py, first half: two sources of domain A, one with GrabCut's masks, one with filled boxes
_base_ = '../../configs/examples/sep_demo.py'
folders = dict(grabcut='data/grabcut', fill='data/fill')
crop = dict(type='RandomScaleCrop', crop_size=(96, 96))
train_pipeline = [dict(type='LoadWindow', crop=crop), *_base_.train_pipeline[1:]]
train_sources = [
    dict(type='SAMRSDataset', source=source, data_root=root, pipeline=train_pipeline)
    for source, root in folders.items()
]
train_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False,
    dataset=dict(datasets=train_sources),
)  # fmt: skip
model = dict(
    heads=dict(_delete_=True, grabcut=dict(num_classes=11), fill=dict(num_classes=11)),
)
# nothing is chosen by validation
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None
train_cfg = dict(max_iters=600)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=600, end=600, eta_min=1e-4, by_epoch=False)]
custom_hooks = []
default_hooks = dict(
    checkpoint=dict(
        _delete_=True, type='CheckpointHook', by_epoch=False, interval=600, save_optimizer=False
    ),
    export=dict(path='sep.pth'),
)
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])
