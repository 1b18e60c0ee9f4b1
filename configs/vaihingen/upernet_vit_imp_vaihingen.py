# Vaihingen: UPerNet + ViT-B from ImageNet weights
_base_ = ['../_base_/finetuning/upernet_vit_imp.py', '../_base_/datasets/vaihingen.py']
model = dict(
    backbone=dict(img_size=_base_.crop_size[0]),
    decode_head=dict(num_classes=_base_.num_classes),
    test_cfg=_base_.slide,
)
