# Microsoft's ImageNet-1k weights (MIT) in mmsegmentation's naming
imp_swin = dict(
    path='pretrain/swin_tiny_patch4_window7_224_20220317-1cdeb081.pth',
    url=(
        'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/'
        'swin_tiny_patch4_window7_224_20220317-1cdeb081.pth'
    ),
    keys=[
        'patch_embed.projection.weight',
        'stages.0.blocks.0.attn.w_msa.qkv.weight',
        'stages.3.blocks.1.ffn.layers.1.weight',
    ],
)
