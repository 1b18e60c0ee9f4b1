# Mask2Former + ResNet-50, ImageNet weights, on SOTA's masks
_base_ = [
    '../_base_/detectors/mask2former_instances.py',
    '../_base_/detector_backbones/imp_resnet50.py',
    '../_base_/datasets/sota_instances.py',
]
model = dict(
    backbone=_base_.body,
    panoptic_head=dict(in_channels=_base_.backbone_channels, **_base_.head),
    **_base_.detector,
)
