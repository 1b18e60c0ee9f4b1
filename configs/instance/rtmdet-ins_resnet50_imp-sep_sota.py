# RTMDet-Ins + ResNet-50 after ImageNet weights and SEP, on SOTA's masks
_base_ = './rtmdet-ins_resnet50_imp_sota.py'
pretrain_source = None
weights = dict(checkpoint='pretrain/sep/upernet_resnet50.pth', prefix='backbone.')
model = dict(backbone=dict(init_cfg=weights))
