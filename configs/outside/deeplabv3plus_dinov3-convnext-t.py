# mmsegmentation's DeepLabV3+ head + DINOv3 ConvNeXt-T by timm
_base_ = ['../_base_/trunks/sep_any.py', '../_base_/backbones/dinov3-convnext-t.py']
head = dict(type='DepthwiseSeparableASPPHead', dilations=(1, 6, 12, 18), c1_channels=48)
model = dict(
    backbone=_base_.backbone,
    decode_head=dict(in_channels=768, in_index=3, channels=512, c1_in_channels=96, **head),
)
