# InternImage's ImageNet-1k weights (MIT), converted
imp_internimage = dict(
    path='pretrain/imp_internimage.pth',
    file='internimage_t_1k_224.pth',
    url='https://huggingface.co/OpenGVLab/InternImage',
    keys=[
        'patch_embed.conv1.weight',
        'levels.0.blocks.0.dcn.offset.weight',
        'levels.3.blocks.3.mlp.fc2.weight',
    ],
)
