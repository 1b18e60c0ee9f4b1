# ViTAEv2-S from ImageNet weights, in a detector
_base_ = ['../backbones/vitae.py', '../pretrains/imp_vitae.py']
pretrain_source = _base_.imp_vitae
body = dict(
    _scope_='mmseg',
    init_cfg=dict(type='Pretrained', checkpoint=pretrain_source['path']),
    **_base_.backbone,
)
