# LoveDA: UPerNet + ViTAEv2-S after ImageNet weights and SEP
_base_ = './upernet_vitae_imp_loveda.py'
load_from = 'pretrain/sep/upernet_vitae.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
