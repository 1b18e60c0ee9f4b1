# mtp_study.py, fine-tuning to masks: RTMDet-Ins as in pre-training, on domain B's known masks
_base_ = ['../../configs/examples/instance_demo.py', './study_run.py']
folder = dict(_delete_=True, type='AnnotatedInstanceDataset', source='b')
train_pipeline, test_pipeline = (
    [
        dict(step, **{key: (128, 128) for key in ('scale', 'crop_size') if key in step})
        for step in pipeline
    ]
    for pipeline in (_base_.train_pipeline, _base_.test_pipeline)
)
train_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False,
    dataset=dict(folder, data_root='data/train_masks', pipeline=train_pipeline),
)  # fmt: skip
test_dataloader = dict(
    dataset=dict(folder, data_root='data/test_masks', pipeline=test_pipeline, test_mode=True,
                 filter_empty=False),
)  # fmt: skip
val_dataloader = val_cfg = val_evaluator = None
norm_cfg = dict(type='GN', num_groups=32, requires_grad=True)
width = 64
model = dict(
    backbone=dict(
        _delete_=True, _scope_='mmseg', type='ResNet', depth=18, base_channels=32,
        out_indices=(1, 2, 3), norm_cfg=dict(type='BN'),
    ),
    neck=dict(in_channels=[64, 128, 256], out_channels=width, norm_cfg=norm_cfg),
    bbox_head=dict(num_classes=9, in_channels=width, feat_channels=width, norm_cfg=norm_cfg),
)  # fmt: skip
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = _base_.length
param_scheduler = _base_.finetuning
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=_base_.last,
)  # fmt: skip
visualizer = dict(vis_backends=_base_.curves)
