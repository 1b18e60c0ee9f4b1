# UPerNet + Swin-T from ImageNet weights, but for the dataset and its classes
_base_ = [
    '../backbones/swin.py',
    '../decoders/upernet.py',
    '../pretrains/imp_swin.py',
    '../segmentors/finetune.py',
    '../schedules/finetune_80k.py',
    '../schedules/adamw_swin_80k.py',
]
pretrain_source = _base_.imp_swin
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
