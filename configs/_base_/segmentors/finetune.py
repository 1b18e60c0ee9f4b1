# Fine-tuning on one dataset: a plain mmsegmentation network
_base_ = '../default_runtime.py'
segmentor = dict(
    type='EncoderDecoder',
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
)
default_hooks = dict(
    class_check=dict(type='ClassCheckHook'),
    pictures=dict(type='PredictionPictureHook', per_source=8),
)
custom_hooks = []
# tools/test.py --tta: each image and its mirror image, as in the authors' "single-scale" tests
tta_model = dict(type='SegTTAModel')
flip_views = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
pack_view = dict(
    type='PackSegInputs',
    meta_keys=('img_path', 'ori_shape', 'img_shape', 'pad_shape', 'flip', 'flip_direction'),
)
tta_pipeline = [
    dict(type='LoadWindow'),
    dict(type='TestTimeAug', transforms=[flip_views, [pack_view]]),
]
# tools/test.py --tta multi_scale: the authors' --ms. Scale 1 is first: labels come from that view.
scale_views = [
    dict(type='Resize', scale_factor=scale) for scale in (1.0, 0.75, 1.25, 1.5, 1.75, 2.0)
]
multi_scale_tta_pipeline = [
    dict(type='LoadWindow'),
    dict(type='TestTimeAug', transforms=[scale_views, flip_views, [pack_view]]),
]
