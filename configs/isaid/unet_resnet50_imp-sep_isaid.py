# iSAID: UNet + ResNet-50 after ImageNet weights and SEP
_base_ = './unet_resnet50_imp_isaid.py'
load_from = 'pretrain/sep/unet_resnet50.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
