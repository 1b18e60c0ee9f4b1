# UPerNet + ResNet-50 from random weights by SEP
_base_ = './upernet_resnet50.py'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
