# SEP with detectors beside it: RTMDet-Ins for masks, RTMDet-R for R-Boxes, a whole one for each
# source and task. Group norm, as a rank may lack a source; losses are those of all ranks together
_base_ = ['./sep.py', '../detectors/rtmdet.py']
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
# A leaf gives each the neck, with its in_channels
neck = dict(norm_cfg=norm_cfg)
detectors = {
    f'{source}_{task}': dict(
        source=source,
        task=task,
        levels=(1, 2, 3),
        detector=dict(
            kinds[task],
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
segmentor = dict(type='MultiTaskPretrainer')
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
