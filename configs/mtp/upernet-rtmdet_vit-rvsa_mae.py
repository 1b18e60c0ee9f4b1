# UPerNet, RTMDet-Ins and RTMDet-R + ViT-B + RVSA, MAE weights, on all tasks of SAMRS at once
_base_ = [
    '../_base_/segmentors/mtp.py',
    '../_base_/detector_backbones/mae_vit-rvsa.py',
    '../_base_/schedules/adamw_vit_80k.py',
]
channels = _base_.backbone_channels
neck = dict(in_channels=channels[1:])
model = dict(
    backbone=_base_.body,
    decode_head=dict(in_channels=channels, channels=channels[1]),
    detectors={name: dict(detector=dict(neck=neck)) for name in _base_.detectors},
)
# RTMDet's levels share convolutions
optim_wrapper = dict(paramwise_cfg=dict(bypass_duplicate=True))
