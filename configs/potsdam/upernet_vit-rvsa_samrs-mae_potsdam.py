# Potsdam: UPerNet + ViT-B + RVSA from SAMRS-MAE weights
_base_ = ['./upernet_vit-rvsa_mae_potsdam.py', '../_base_/pretrains/samrs-mae_vit-rvsa.py']
pretrain_source = _base_.samrs_mae_vit_rvsa
model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrain_source['path'])))
