# ResNet-50 from ImageNet weights, in a detector
_base_ = ['../backbones/resnet50.py', '../pretrains/imp_resnet50.py']
pretrain_source = _base_.imp_resnet50
body = dict(
    _scope_='mmseg',
    init_cfg=dict(type='Pretrained', checkpoint=pretrain_source['path']),
    **_base_.backbone,
)
