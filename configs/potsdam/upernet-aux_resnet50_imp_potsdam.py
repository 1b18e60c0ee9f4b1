# Potsdam: UPerNet + ResNet-50 with an auxiliary FCN head, from ImageNet weights
_base_ = ['./upernet_resnet50_imp_potsdam.py', '../_base_/decoders/fcn-aux.py']
fcn = dict(in_channels=1024, num_classes=_base_.num_classes)
model = dict(auxiliary_head=dict(**fcn, **_base_.auxiliary_head))
