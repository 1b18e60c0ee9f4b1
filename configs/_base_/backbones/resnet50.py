backbone = dict(
    type='ResNet',
    depth=50,
    num_stages=4,
    out_indices=(0, 1, 2, 3),
    style='pytorch',
    norm_cfg=dict(type='BN', requires_grad=True),
    norm_eval=False,
)
backbone_channels = [256, 512, 1024, 2048]
