# SEP with UPerNet, and detectors beside it: RTMDet-Ins for masks, RTMDet-R for R-Boxes, a whole one
# for each source and task. Group norm, as a rank may lack a source; losses are those of all ranks
# together. A leaf adds backbone, widths and optimizer
_base_ = [
    './sep.py',
    '../decoders/upernet.py',
    '../detectors/rtmdet.py',
    '../datasets/samrs_tasks.py',
    '../schedules/iters_80k.py',
]
custom_imports = dict(
    imports=[
        'samrs_mm.registered', 'mmdet.models', 'mmdet.evaluation', 'mmdet.datasets.transforms',
        'mmrotate.models', 'mmrotate.evaluation', 'mmrotate.datasets.transforms',
    ]
)  # fmt: skip
norm_cfg = dict(type='GN', num_groups=32, requires_grad=True)
kinds = dict(instance=_base_.rtmdet_ins, oriented=_base_.rtmdet_r)
# DIOR's boxes are upright
learnt = dict(sota=['instance', 'oriented'], sior=['instance'], fast=['instance', 'oriented'])
neck = dict(_base_.neck, norm_cfg=norm_cfg)
detectors = {
    f'{source}_{task}': dict(
        source=source,
        task=task,
        levels=(1, 2, 3),
        detector=dict(
            kinds[task],
            neck=neck,
            bbox_head=dict(
                kinds[task]['bbox_head'],
                norm_cfg=norm_cfg,
                num_classes=_base_.segmentor['heads'][source]['num_classes'],
            ),
        ),
    )
    for source, tasks in learnt.items()
    for task in tasks
}
model = dict(
    _base_.segmentor,
    type='MultiTaskPretrainer',
    decode_head=_base_.decode_head,
    detectors=detectors,
)
metrics = dict(
    instance=dict(type='mmdet.CocoMetric', metric=['bbox', 'segm']),
    oriented=dict(type='mmrotate.DOTAMetric', metric='mAP'),
)
val_evaluator = [
    dict(_base_.val_evaluator),
    *(
        dict(
            type='DetectorMetric', detector=name, source=about['source'], task=about['task'],
            metric=metrics[about['task']],
        )
        for name, about in detectors.items()
    ),
]  # fmt: skip
test_evaluator = val_evaluator
default_hooks = dict(export=dict(path='pretrain/mtp/{config}.pth'))
