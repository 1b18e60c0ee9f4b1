# DeiT-B's ImageNet-1k weights (Apache 2.0), which the authors' ViT and ViT-Adapter start from
imp_vit = dict(
    path='pretrain/imp_vit.pth',
    file='deit_base_patch16_224-b5f2ef4d.pth',
    url='https://dl.fbaipublicfiles.com/deit/deit_base_patch16_224-b5f2ef4d.pth',
    options='--to vit',
    keys=['pos_embed', 'patch_embed.proj.weight', 'blocks.11.mlp.fc2.weight'],
)
