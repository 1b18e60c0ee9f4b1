# Mask2Former + ViT-B + RVSA after MAE weights and SEP, on SOTA's masks
_base_ = './mask2former_vit-rvsa_mae_sota.py'
pretrain_source = None
weights = dict(checkpoint='pretrain/sep/upernet_vit-rvsa_mae.pth', prefix='backbone.')
model = dict(backbone=dict(init_cfg=weights))
