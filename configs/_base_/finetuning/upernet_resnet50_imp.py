# UPerNet + ResNet-50 from ImageNet weights, but for the dataset and its classes
_base_ = [
    '../backbones/resnet50.py',
    '../decoders/upernet.py',
    '../pretrains/imp_resnet50.py',
    '../segmentors/finetune.py',
    '../schedules/finetune_80k.py',
    '../schedules/adamw_resnet50_80k.py',
]
pretrain_source = _base_.imp_resnet50
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
