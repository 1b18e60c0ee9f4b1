# A leaf adds in_channels
decode_head = dict(
    type='UNetHead',
    in_index=[0, 1, 2, 3],
    decoder_channels=(512, 256, 128, 64),
    dropout_ratio=0.0,
    norm_cfg=dict(type='BN', requires_grad=True),
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    init_cfg=dict(
        type='Kaiming', layer='Conv2d', mode='fan_in', nonlinearity='relu', distribution='uniform'
    ),
)
