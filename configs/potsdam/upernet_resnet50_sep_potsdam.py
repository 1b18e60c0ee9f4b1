# Potsdam: UPerNet + ResNet-50 after SEP alone
_base_ = './upernet_resnet50_imp_potsdam.py'
load_from = 'pretrain/sep/upernet_resnet50_scratch.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
