# UNet + DINOv3 ConvNeXt-T by timm
_base_ = '../_base_/trunks/sep_unet.py'
convnext = dict(type='TIMMBackbone', model_name='convnext_tiny', pretrained=False)
weights = dict(type='Pretrained', checkpoint='pretrain/dinov3_convnext-t.pth')
model = dict(
    backbone=dict(features_only=True, out_indices=(0, 1, 2, 3), init_cfg=weights, **convnext),
    decode_head=dict(in_channels=[96, 192, 384, 768]),
)
