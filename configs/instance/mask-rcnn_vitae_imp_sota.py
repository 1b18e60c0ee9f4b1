# Mask R-CNN + ViTAEv2-S, ImageNet weights, on SOTA's masks
_base_ = [
    '../_base_/detectors/mask-rcnn.py',
    '../_base_/detector_backbones/imp_vitae.py',
    '../_base_/datasets/sota_instances.py',
]
model = dict(
    backbone=_base_.body,
    neck=dict(in_channels=_base_.backbone_channels, **_base_.neck),
    **_base_.detector,
)
