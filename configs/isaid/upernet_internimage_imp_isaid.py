# iSAID: UPerNet + InternImage-T from ImageNet weights
_base_ = [
    '../_base_/backbones/internimage.py',
    '../_base_/decoders/upernet.py',
    '../_base_/pretrains/imp_internimage.py',
    '../_base_/segmentors/finetune.py',
    '../_base_/datasets/isaid.py',
    '../_base_/schedules/finetune_80k.py',
    '../_base_/schedules/adamw_internimage_80k.py',
]
pretrain_source = _base_.imp_internimage
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint=pretrain_source['path']),
        **_base_.backbone,
    ),
    decode_head=dict(
        in_channels=_base_.backbone_channels,
        channels=_base_.backbone_channels[1],
        num_classes=_base_.num_classes,
        **_base_.decode_head,
    ),
    test_cfg=_base_.slide,
    **_base_.segmentor,
)
