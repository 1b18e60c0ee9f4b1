# UPerNet + ResNet-50 with mmsegmentation's auxiliary FCN head, ImageNet weights, then SEP
_base_ = ['./upernet_resnet50.py', '../_base_/decoders/fcn-aux.py']
model = dict(auxiliary_head=dict(in_channels=1024, **_base_.auxiliary_head))
