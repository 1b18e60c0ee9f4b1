# OCRNet: an FCN head, and OCR on its logits. A leaf adds the in_channels of each, of levels of one
# stride, and num_stages. Widths and weights are those of mmsegmentation
common = dict(
    dropout_ratio=0.1,
    norm_cfg=dict(type='BN', requires_grad=True),
    align_corners=False,
)
cross_entropy = dict(type='CrossEntropyLoss', avg_non_ignore=True)
decode_head = [
    dict(
        type='FCNHead',
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        loss_decode=dict(loss_weight=0.4, **cross_entropy),
        **common,
    ),
    dict(
        type='OCRHead',
        in_index=3,
        channels=512,
        ocr_channels=256,
        loss_decode=cross_entropy,
        **common,
    ),
]
