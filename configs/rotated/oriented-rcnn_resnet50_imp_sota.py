# Oriented R-CNN + ResNet-50, ImageNet weights, on SOTA's R-Boxes
_base_ = [
    '../_base_/backbones/resnet50.py',
    '../_base_/detectors/oriented-rcnn.py',
    '../_base_/pretrains/imp_resnet50.py',
    '../_base_/datasets/sota_rboxes.py',
    '../_base_/schedules/detect_80k.py',
    '../_base_/schedules/adamw_detector_80k.py',
]
pretrain_source = _base_.imp_resnet50
model = dict(
    backbone=dict(
        _scope_='mmseg',
        init_cfg=dict(type='Pretrained', checkpoint=pretrain_source['path']),
        **_base_.backbone,
    ),
    neck=dict(in_channels=_base_.backbone_channels, **_base_.neck),
    **_base_.detector,
)
