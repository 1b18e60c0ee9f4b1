# sep_study.py, first half: two sources of domain A, one with GrabCut's masks, one with filled boxes
_base_ = ['../../configs/examples/sep_demo.py', './study_run.py']
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
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None
train_cfg = _base_.length
param_scheduler = _base_.pretraining
custom_hooks = []
default_hooks = dict(
    checkpoint=_base_.last,
    export=dict(path='sep.pth'),
)
visualizer = dict(vis_backends=_base_.curves)
