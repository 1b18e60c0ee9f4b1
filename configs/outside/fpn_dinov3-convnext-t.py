# mmsegmentation's FPN and FPNHead + DINOv3 ConvNeXt-T by timm
_base_ = '../_base_/trunks/sep_any.py'
convnext = dict(type='TIMMBackbone', model_name='convnext_tiny', pretrained=False)
weights = dict(type='Pretrained', checkpoint='pretrain/dinov3_convnext-t.pth')
head = dict(type='FPNHead', feature_strides=[4, 8, 16, 32], in_index=[0, 1, 2, 3])
model = dict(
    backbone=dict(features_only=True, out_indices=(0, 1, 2, 3), init_cfg=weights, **convnext),
    neck=dict(type='FPN', in_channels=[96, 192, 384, 768], out_channels=256, num_outs=4),
    decode_head=dict(in_channels=[256] * 4, channels=128, **head),
)
