# ViT-B + RVSA from MAE weights, in a detector
_base_ = ['../backbones/vit-rvsa.py', '../pretrains/mae_vit-rvsa.py']
pretrain_source = _base_.mae_vit_rvsa
body = dict(
    _scope_='mmseg',
    init_cfg=dict(type='Pretrained', checkpoint=pretrain_source['path']),
    **_base_.backbone,
)
