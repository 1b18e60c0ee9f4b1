# Mask2Former + ViTAEv2-S after ImageNet weights and SEP, on SOTA's masks
_base_ = './mask2former_vitae_imp_sota.py'
pretrain_source = None
weights = dict(checkpoint='pretrain/sep/upernet_vitae.pth', prefix='backbone.')
model = dict(backbone=dict(init_cfg=weights))
