# LoveDA: UPerNet + ViT-Adapter-B after ImageNet weights and SEP
_base_ = './upernet_vit-adapter_imp_loveda.py'
load_from = 'pretrain/sep/upernet_vit-adapter.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
