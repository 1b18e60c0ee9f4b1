# UPerNet + ViT-B + RVSA from MillionAID MAE weights, but for the dataset and its classes
_base_ = [
    '../backbones/vit-rvsa.py',
    '../decoders/upernet.py',
    '../pretrains/mae_vit-rvsa.py',
    '../segmentors/finetune.py',
    '../schedules/finetune_80k.py',
    '../schedules/adamw_vit_80k.py',
]
pretrain_source = _base_.mae_vit_rvsa
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint=pretrain_source['path']),
        **_base_.backbone,
    ),
    decode_head=dict(
        in_channels=_base_.backbone_channels,
        channels=_base_.backbone_channels[1],
        **_base_.decode_head,
    ),
    **_base_.segmentor,
)
