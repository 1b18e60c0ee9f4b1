# Mask R-CNN + ViTAEv2-S, ImageNet weights, on SOTA's masks
_base_ = [
    '../_base_/backbones/vitae.py',
    '../_base_/detectors/mask-rcnn.py',
    '../_base_/pretrains/imp_vitae.py',
    '../_base_/datasets/sota_instances.py',
    '../_base_/schedules/detect_80k.py',
    '../_base_/schedules/adamw_detector_80k.py',
]
pretrain_source = _base_.imp_vitae
model = dict(
    backbone=dict(
        _scope_='mmseg',
        init_cfg=dict(type='Pretrained', checkpoint=pretrain_source['path']),
        **_base_.backbone,
    ),
    neck=dict(in_channels=_base_.backbone_channels, **_base_.neck),
    **_base_.detector,
)
