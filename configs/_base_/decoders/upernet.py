# A leaf adds in_channels, and as width (channels) the backbone's second level
decode_head = dict(
    type='UPerHead',
    in_index=[0, 1, 2, 3],
    pool_scales=(1, 2, 3, 6),
    dropout_ratio=0.1,
    norm_cfg=dict(type='BN', requires_grad=True),
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    init_cfg=dict(
        type='Kaiming', layer='Conv2d', mode='fan_in', nonlinearity='relu', distribution='uniform'
    ),
)
