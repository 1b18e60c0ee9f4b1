# UPerNet + DINOv3 ViT-S/16 by timm
_base_ = '../_base_/trunks/sep_upernet.py'
vit = dict(type='TIMMBackbone', model_name='vit_small_patch16_dinov3', pretrained=False)
weights = dict(type='Pretrained', checkpoint='pretrain/dinov3_vit-s.pth')
model = dict(
    backbone=dict(features_only=True, out_indices=(2, 5, 8, 11), init_cfg=weights, **vit),
    neck=dict(embed_dim=384, **_base_.pyramid),
    decode_head=dict(in_channels=[384] * 4, channels=384),
)
