# RTMDet-R + ViTAEv2-S, ImageNet weights, on SOTA's R-Boxes
_base_ = [
    '../_base_/backbones/vitae.py',
    '../_base_/detectors/rtmdet-r.py',
    '../_base_/pretrains/imp_vitae.py',
    '../_base_/datasets/sota_rboxes.py',
    '../_base_/schedules/detect_80k.py',
    '../_base_/schedules/adamw_detector_80k.py',
]
pretrain_source = _base_.imp_vitae
model = dict(
    backbone=dict(
        _scope_='mmseg',
        init_cfg=dict(type='Pretrained', checkpoint=pretrain_source['path']),
        **dict(_base_.backbone, out_indices=(1, 2, 3)),
    ),
    neck=dict(in_channels=_base_.backbone_channels[1:], **_base_.neck),
    **_base_.detector,
)
