# UPerNet + ViT-B, ImageNet (DeiT) weights, then SEP
_base_ = [
    '../_base_/backbones/vit.py',
    '../_base_/decoders/upernet.py',
    '../_base_/pretrains/imp_vit.py',
    '../_base_/segmentors/sep.py',
    '../_base_/datasets/samrs.py',
    '../_base_/schedules/iters_80k.py',
    '../_base_/schedules/adamw_vit_80k.py',
]
pretrain_source = _base_.imp_vit
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint=pretrain_source['path']), **_base_.backbone
    ),
    decode_head=dict(
        in_channels=_base_.backbone_channels,
        channels=_base_.backbone_channels[1],
        **_base_.decode_head,
    ),
    **_base_.segmentor,
)
