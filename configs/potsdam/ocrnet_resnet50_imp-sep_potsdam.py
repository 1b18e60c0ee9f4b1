# Potsdam: OCRNet + ResNet-50 after ImageNet weights and SEP
_base_ = './ocrnet_resnet50_imp_potsdam.py'
load_from = 'pretrain/sep/ocrnet_resnet50.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
