# UPerNet + DINOv2 ViT-B/14 by Hugging Face's transformers: patches of 14 px, so sides of 28 px
_base_ = '../_base_/trunks/sep_upernet.py'
vit = dict(model_type='dinov2', hidden_size=768, image_size=518, patch_size=14)
weights = dict(type='Pretrained', checkpoint='pretrain/hf_dinov2-b.pth')
model = dict(
    data_preprocessor=dict(size_divisor=28, test_cfg=dict(size_divisor=28)),
    backbone=dict(type='HuggingFaceBackbone', config=vit, init_cfg=weights),
    neck=dict(embed_dim=768, **_base_.pyramid),
    decode_head=dict(in_channels=[768] * 4, channels=768),
)
