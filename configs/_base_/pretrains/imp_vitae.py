# ViTAEv2's own ImageNet-1k weights, converted
imp_vitae = dict(
    path='pretrain/imp_vitae.pth',
    file='ViTAEv2-S.pth.tar',
    url='https://github.com/ViTAE-Transformer/ViTAE-Transformer',
    keys=[
        'layers.0.RC.PRM.convs.0.0.weight',
        'layers.2.NC.7.attn.qkv.weight',
        'layers.3.NC.1.PCM.4.running_var',
    ],
)
