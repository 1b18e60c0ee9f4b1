# mtp_study.py: the sources, crops and schedule of study_sep.py, with masks and R-Boxes learnt, too
_base_ = ['../../configs/examples/mtp_demo.py', './study_run.py']
folders = dict(grabcut='data/grabcut', fill='data/fill')
crop = (96, 96)
source = dict(_base_.train_sources[0], ann_file='')
pipeline = [
    dict(step, **{key: crop for key in ('crop_size', 'size') if key in step})
    for step in source['pipeline']
]
train_sources = [
    dict(source, source=name, data_root=root, pipeline=pipeline) for name, root in folders.items()
]
train_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False,
    dataset=dict(datasets=train_sources),
)  # fmt: skip
channels = [32, 64, 128, 256]
neck = dict(_base_.neck, in_channels=channels[1:])
of_city = {task: _base_.detectors[f'city_{task}'] for task in ('instance', 'oriented')}
detectors = {
    f'{name}_{task}': dict(about, source=name, detector=dict(about['detector'], neck=neck))
    for name in folders
    for task, about in of_city.items()
}
model = dict(
    backbone=dict(base_channels=32),
    decode_head=dict(in_channels=channels),
    heads=dict(_delete_=True, grabcut=dict(num_classes=11), fill=dict(num_classes=11)),
    detectors=dict(_delete_=True, **detectors),
)
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None
train_cfg = _base_.length
param_scheduler = _base_.pretraining
optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=0.05))
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=_base_.last,
    export=dict(path='mtp.pth'),
)
visualizer = dict(vis_backends=_base_.curves)
