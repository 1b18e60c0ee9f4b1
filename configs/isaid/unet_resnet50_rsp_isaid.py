# iSAID: UNet + ResNet-50 from MillionAID (RSP) weights
_base_ = ['./unet_resnet50_imp_isaid.py', '../_base_/pretrains/rsp_resnet50.py']
pretrain_source = _base_.rsp_resnet50
model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrain_source['path'])))
