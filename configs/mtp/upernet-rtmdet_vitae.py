# UPerNet, RTMDet-Ins and RTMDet-R + ViTAEv2-S, ImageNet weights, on all tasks of SAMRS at once
_base_ = [
    '../_base_/backbones/vitae.py',
    '../_base_/decoders/upernet.py',
    '../_base_/pretrains/imp_vitae.py',
    '../_base_/segmentors/mtp.py',
    '../_base_/datasets/samrs_tasks.py',
    '../_base_/schedules/iters_80k.py',
    '../_base_/schedules/adamw_swin_80k.py',
]
pretrain_source = _base_.imp_vitae
neck = dict(in_channels=_base_.backbone_channels[1:], **_base_.neck)
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint=pretrain_source['path']), **_base_.backbone
    ),
    decode_head=dict(
        in_channels=_base_.backbone_channels,
        channels=_base_.backbone_channels[1],
        **_base_.decode_head,
    ),
    detectors={
        name: dict(about, detector=dict(about['detector'], neck=neck))
        for name, about in _base_.detectors.items()
    },
    **_base_.segmentor,
)
# RTMDet's levels share convolutions
optim_wrapper = dict(paramwise_cfg=dict(bypass_duplicate=True))
