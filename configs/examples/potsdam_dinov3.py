# Potsdam after SEP by configs/outside/upernet_dinov3-convnext-t.py, whose backbone and decode head
# these are; with the _base_ of another folder it is LoveDA, Vaihingen or DeepGlobe
_base_ = '../potsdam/upernet_vit_imp-sep_potsdam.py'
load_from = 'pretrain/sep/upernet_dinov3-convnext-t.pth'
convnext = dict(type='TIMMBackbone', model_name='convnext_tiny', pretrained=False)
model = dict(
    backbone=dict(_delete_=True, features_only=True, out_indices=(0, 1, 2, 3), **convnext),
    decode_head=dict(in_channels=[96, 192, 384, 768], channels=192),
)
