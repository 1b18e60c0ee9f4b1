# UPerNet + ResNet-50, MillionAID (RSP) weights, then SEP
_base_ = ['./upernet_resnet50.py', '../_base_/pretrains/rsp_resnet50.py']
pretrain_source = _base_.rsp_resnet50
model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrain_source['path'])))
