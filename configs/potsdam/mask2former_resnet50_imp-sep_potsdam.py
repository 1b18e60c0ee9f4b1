# Potsdam: Mask2Former + ResNet-50 after ImageNet weights and SEP
_base_ = './mask2former_resnet50_imp_potsdam.py'
load_from = 'pretrain/sep/mask2former_resnet50.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
