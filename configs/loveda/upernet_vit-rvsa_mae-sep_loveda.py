# LoveDA: UPerNet + ViT-B + RVSA after MillionAID MAE weights and SEP
_base_ = './upernet_vit-rvsa_mae_loveda.py'
load_from = 'pretrain/sep/upernet_vit-rvsa_mae.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
