# Vaihingen: UPerNet + Swin-T after ImageNet weights and SEP
_base_ = './upernet_swin_imp_vaihingen.py'
load_from = 'pretrain/sep/upernet_swin.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
