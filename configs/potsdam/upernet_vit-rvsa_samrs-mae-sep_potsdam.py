# Potsdam: UPerNet + ViT-B + RVSA after SAMRS-MAE weights and SEP
_base_ = './upernet_vit-rvsa_samrs-mae_potsdam.py'
load_from = 'pretrain/sep/upernet_vit-rvsa_samrs-mae.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
