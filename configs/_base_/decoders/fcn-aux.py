# mmsegmentation's auxiliary head of UPerNet, on the third level; a leaf adds in_channels
auxiliary_head = dict(
    type='FCNHead',
    in_index=2,
    channels=256,
    num_convs=1,
    concat_input=False,
    dropout_ratio=0.1,
    norm_cfg=dict(type='BN', requires_grad=True),
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.4),
)
