# Two drawn sources, three tasks, a small network, on a CPU (`make demo`); needs compiled ops
_base_ = '../mtp/upernet-rtmdet_vitae.py'
pretrain_source = None
folders = dict(city='data/demo/masks', coast='data/demo/masks-b')
heads = dict(city=dict(num_classes=11), coast=dict(num_classes=9))
size, channels, width = (256, 256), [64, 128, 256, 512], 64
train_sources, val_sources = (
    [
        dict(sources[0], source=source, data_root=root, pipeline=[
            dict(step, **{key: size for key in ('scale', 'crop_size', 'size') if key in step})
            for step in sources[0]['pipeline']
        ])
        for source, root in folders.items()
    ]
    for sources in (_base_.train_sources, _base_.val_sources)
)  # fmt: skip
train_dataloader = dict(batch_size=4, num_workers=2, dataset=dict(datasets=train_sources))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(datasets=val_sources))
test_dataloader = val_dataloader
small = dict(in_channels=width, feat_channels=width)
neck = dict(_base_.neck, in_channels=channels[1:], out_channels=width)
detectors = {
    f'{source}_{task}': dict(
        _base_.detectors[f'sota_{task}'],
        source=source,
        detector=dict(
            _base_.kinds[task],
            neck=neck,
            bbox_head=dict(
                _base_.detectors[f'sota_{task}']['detector']['bbox_head'], **small, **head
            ),
        ),
    )
    for source, head in heads.items()
    for task in ('instance', 'oriented')
}
model = dict(
    backbone=dict(_delete_=True, type='ResNet', depth=18, norm_cfg=dict(type='BN')),
    decode_head=dict(in_channels=channels, channels=width),
    heads=dict(_delete_=True, **heads),
    detectors=dict(_delete_=True, **detectors),
)
val_evaluator = [
    _base_.val_evaluator[0],
    *(
        dict(
            type='DetectorMetric', detector=name, source=about['source'], task=about['task'],
            metric=_base_.metrics[about['task']],
        )
        for name, about in detectors.items()
    ),
]  # fmt: skip
test_evaluator = val_evaluator
train_cfg = dict(max_iters=400, val_interval=200)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=400, end=400, by_epoch=False)]
optim_wrapper = dict(optimizer=dict(lr=5e-4))
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=200))
