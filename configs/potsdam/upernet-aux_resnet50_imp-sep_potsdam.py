# Potsdam: UPerNet + ResNet-50 with an auxiliary FCN head, after ImageNet weights and SEP
_base_ = './upernet-aux_resnet50_imp_potsdam.py'
load_from = 'pretrain/sep/upernet-aux_resnet50.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
