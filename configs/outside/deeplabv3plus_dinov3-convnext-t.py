# mmsegmentation's DeepLabV3+ head + DINOv3 ConvNeXt-T by timm
_base_ = '../_base_/trunks/sep_any.py'
convnext = dict(type='TIMMBackbone', model_name='convnext_tiny', pretrained=False)
weights = dict(type='Pretrained', checkpoint='pretrain/dinov3_convnext-t.pth')
head = dict(type='DepthwiseSeparableASPPHead', dilations=(1, 6, 12, 18), c1_channels=48)
model = dict(
    backbone=dict(features_only=True, out_indices=(0, 1, 2, 3), init_cfg=weights, **convnext),
    decode_head=dict(in_channels=768, in_index=3, channels=512, c1_in_channels=96, **head),
)
