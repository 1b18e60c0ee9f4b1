# Oriented R-CNN + ResNet-50, ImageNet weights, on SOTA's R-Boxes
_base_ = [
    '../_base_/detectors/oriented-rcnn.py',
    '../_base_/detector_backbones/imp_resnet50.py',
    '../_base_/datasets/sota_rboxes.py',
]
model = dict(
    backbone=_base_.body,
    neck=dict(in_channels=_base_.backbone_channels, **_base_.neck),
    **_base_.detector,
)
