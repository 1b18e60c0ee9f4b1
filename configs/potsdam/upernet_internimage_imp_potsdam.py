# Potsdam: UPerNet + InternImage-T from ImageNet weights
_base_ = ['../_base_/finetuning/upernet_internimage_imp.py', '../_base_/datasets/potsdam.py']
model = dict(decode_head=dict(num_classes=_base_.num_classes), test_cfg=_base_.slide)
