# RTMDet-R + ViT-B + RVSA, MAE weights, on SOTA's R-Boxes
_base_ = [
    '../_base_/detectors/rtmdet-r.py',
    '../_base_/detector_backbones/mae_vit-rvsa.py',
    '../_base_/datasets/sota_rboxes.py',
]
model = dict(
    backbone=dict(_base_.body, out_indices=(1, 2, 3)),
    neck=dict(in_channels=_base_.backbone_channels[1:], **_base_.neck),
    **_base_.detector,
)
