# DeepGlobe: UPerNet + ViT-B after ImageNet weights and SEP
_base_ = './upernet_vit_imp_deepglobe.py'
load_from = 'pretrain/sep/upernet_vit.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
