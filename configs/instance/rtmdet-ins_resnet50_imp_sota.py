# RTMDet-Ins + ResNet-50, ImageNet weights, on SOTA's masks
_base_ = [
    '../_base_/detectors/rtmdet-ins.py',
    '../_base_/detector_backbones/imp_resnet50.py',
    '../_base_/datasets/sota_instances.py',
]
model = dict(
    backbone=dict(_base_.body, out_indices=(1, 2, 3)),
    neck=dict(in_channels=_base_.backbone_channels[1:], **_base_.neck),
    **_base_.detector,
)
