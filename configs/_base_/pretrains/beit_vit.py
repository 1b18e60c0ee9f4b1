# BEiT-B's weights (MIT), from microsoft/unilm: pre-trained, then fine-tuned on ImageNet-22k
beit_vit = dict(
    path='pretrain/beit_vit.pth',
    file='beit_base_patch16_224_pt22k_ft22k.pth',
    url=(
        'https://github.com/addf400/files/releases/download/v1.0/'
        'beit_base_patch16_224_pt22k_ft22k.pth'
    ),
    keys=[
        'cls_token',
        'blocks.0.attn.relative_position_bias_table',
        'blocks.11.mlp.fc2.weight',
    ],
)
