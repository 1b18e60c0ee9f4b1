# mmsegmentation's PSPHead + DINOv3 ConvNeXt-T by timm
_base_ = ['../_base_/trunks/sep_any.py', '../_base_/backbones/dinov3-convnext-t.py']
model = dict(
    backbone=_base_.backbone,
    decode_head=dict(type='PSPHead', in_channels=768, in_index=3, channels=512),
)
