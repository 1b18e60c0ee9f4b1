# Swin-T
backbone = dict(
    type='SwinTransformer',
    embed_dims=96,
    depths=(2, 2, 6, 2),
    num_heads=(3, 6, 12, 24),
    window_size=7,
    mlp_ratio=4,
    qkv_bias=True,
    patch_norm=True,
    out_indices=(0, 1, 2, 3),
    drop_path_rate=0.3,
)
backbone_channels = [96, 192, 384, 768]
