# UPerNet + SatMAE's ViT-L/16 of three bands
_base_ = '../_base_/trunks/sep_upernet.py'
weights = dict(type='Pretrained', checkpoint='pretrain/satmae_vit-l.pth')
model = dict(
    backbone=dict(type='MAEViT', arch='l', patch_size=16, init_cfg=weights),
    neck=dict(embed_dim=1024, **_base_.pyramid),
    decode_head=dict(in_channels=[1024] * 4, channels=512),
)
