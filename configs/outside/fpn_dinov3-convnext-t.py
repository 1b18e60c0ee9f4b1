# mmsegmentation's FPN and FPNHead + DINOv3 ConvNeXt-T by timm
_base_ = ['../_base_/trunks/sep_any.py', '../_base_/backbones/dinov3-convnext-t.py']
head = dict(type='FPNHead', feature_strides=[4, 8, 16, 32], in_index=[0, 1, 2, 3])
model = dict(
    backbone=_base_.backbone,
    neck=dict(type='FPN', in_channels=_base_.backbone_channels, out_channels=256, num_outs=4),
    decode_head=dict(in_channels=[256] * 4, channels=128, **head),
)
