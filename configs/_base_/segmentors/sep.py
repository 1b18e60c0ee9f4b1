# Pre-training on SOTA, SIOR and FAST: a head each
_base_ = '../default_runtime.py'
segmentor = dict(
    type='MultiHeadEncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size_divisor=32,
        test_cfg=dict(size_divisor=32),
    ),
    heads=dict(sota=dict(num_classes=18), sior=dict(num_classes=20), fast=dict(num_classes=37)),
    forward_mode='joint',
    test_cfg=dict(mode='whole'),
)
# Classes that the validation images lack count as 0, as in the paper's code
val_evaluator = dict(type='PerSourceIoUMetric', iou_metrics=['mIoU'], nan_to_num=0)
test_evaluator = val_evaluator
default_hooks = dict(
    class_check=dict(type='SourceClassCheckHook'),
    pictures=dict(type='PredictionPictureHook', per_source=4),
    export=dict(type='ExportWeightsHook', path='pretrain/sep/{config}.pth'),
)
custom_hooks = []
