# LoveDA: UPerNet + InternImage-T after ImageNet weights and SEP
_base_ = './upernet_internimage_imp_loveda.py'
load_from = 'pretrain/sep/upernet_internimage.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
