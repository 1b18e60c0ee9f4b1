# DeepGlobe: UPerNet + ResNet-50 after ImageNet weights and SEP
_base_ = './upernet_resnet50_imp_deepglobe.py'
load_from = 'pretrain/sep/upernet_resnet50.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
