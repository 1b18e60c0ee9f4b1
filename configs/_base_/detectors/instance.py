# What detectors of mmdet share: a model's parts are looked up in mmdet by its _scope_, all else in
# mmsegmentation. num_classes are SOTA's; check_data names those that your data needs
_base_ = ['../default_runtime.py', '../schedules/detect_80k.py']
custom_imports = dict(
    imports=[
        'samrs_mm.registered', 'mmdet.models', 'mmdet.evaluation', 'mmdet.datasets.transforms',
    ]
)  # fmt: skip
preprocessor = dict(
    type='DetDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_mask=True,
    pad_size_divisor=32,
)
# COCO AP of masks and boxes; without ann_file, so that the images of the list are what is scored
val_evaluator = dict(type='mmdet.CocoMetric', metric=['bbox', 'segm'])
test_evaluator = val_evaluator
default_hooks = dict(
    class_check=dict(type='ClassCheckHook'), checkpoint=dict(save_best='coco/segm_mAP')
)
custom_hooks = []
