# UPerNet + ConvNeXt-T by mmpretrain
_base_ = '../_base_/trunks/sep_upernet.py'
convnext = dict(type='mmpretrain.ConvNeXt', arch='tiny', gap_before_final_norm=False)
weights = dict(type='Pretrained', checkpoint='pretrain/mmpretrain_convnext-t.pth')
model = dict(
    backbone=dict(out_indices=[0, 1, 2, 3], init_cfg=weights, **convnext),
    decode_head=dict(in_channels=[96, 192, 384, 768], channels=192),
)
