# DeiT-B's ImageNet-1k weights (Apache 2.0) for the ViT; the adapter starts from random ones
imp_vit_adapter = dict(
    path='pretrain/imp_vit-adapter.pth',
    file='deit_base_patch16_224-b5f2ef4d.pth',
    url='https://dl.fbaipublicfiles.com/deit/deit_base_patch16_224-b5f2ef4d.pth',
    options='--to vit-adapter',
    keys=['pos_embed', 'blocks.0.attn.qkv.weight', 'blocks.11.mlp.fc2.weight'],
)
