# UNet + DINOv3 ConvNeXt-T by timm
_base_ = ['../_base_/trunks/sep_unet.py', '../_base_/backbones/dinov3-convnext-t.py']
model = dict(
    backbone=_base_.backbone,
    decode_head=dict(in_channels=_base_.backbone_channels),
)
