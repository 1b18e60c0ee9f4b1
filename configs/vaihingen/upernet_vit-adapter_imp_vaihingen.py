# Vaihingen: UPerNet + ViT-Adapter-B from ImageNet weights
_base_ = ['../_base_/finetuning/upernet_vit-adapter_imp.py', '../_base_/datasets/vaihingen.py']
model = dict(decode_head=dict(num_classes=_base_.num_classes), test_cfg=_base_.slide)
