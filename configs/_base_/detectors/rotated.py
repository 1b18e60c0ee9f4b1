# What detectors of mmrotate share; see instance.py
_base_ = './instance.py'
custom_imports = dict(
    imports=[
        *_base_.custom_imports.imports, 'mmrotate.models', 'mmrotate.evaluation',
        'mmrotate.datasets.transforms',
    ]
)  # fmt: skip
preprocessor = dict(type='mmdet.DetDataPreprocessor', pad_mask=False, boxtype2tensor=False)
# mAP of DOTA at IoU 0.5
val_evaluator = dict(_delete_=True, type='mmrotate.DOTAMetric', metric='mAP')
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='dota/mAP'))
