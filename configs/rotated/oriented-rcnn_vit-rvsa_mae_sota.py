# Oriented R-CNN + ViT-B + RVSA, MAE weights, on SOTA's R-Boxes
_base_ = [
    '../_base_/detectors/oriented-rcnn.py',
    '../_base_/detector_backbones/mae_vit-rvsa.py',
    '../_base_/datasets/sota_rboxes.py',
]
model = dict(
    backbone=_base_.body,
    neck=dict(in_channels=_base_.backbone_channels, **_base_.neck),
    **_base_.detector,
)
