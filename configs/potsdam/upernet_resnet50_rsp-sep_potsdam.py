# Potsdam: UPerNet + ResNet-50 after MillionAID (RSP) weights and SEP
_base_ = './upernet_resnet50_rsp_potsdam.py'
load_from = 'pretrain/sep/upernet_resnet50_rsp.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
