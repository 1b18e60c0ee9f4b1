# mmsegmentation's SegformerHead + DINOv3 ConvNeXt-T by timm
_base_ = ['../_base_/trunks/sep_any.py', '../_base_/backbones/dinov3-convnext-t.py']
head = dict(type='SegformerHead', in_index=[0, 1, 2, 3], channels=256)
model = dict(
    backbone=_base_.backbone,
    decode_head=dict(in_channels=_base_.backbone_channels, **head),
)
