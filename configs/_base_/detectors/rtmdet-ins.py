# RTMDet-Ins
_base_ = ['./instance.py', './rtmdet.py', '../schedules/adamw_detector_80k.py']
detector = dict(
    _scope_='mmdet',
    type='RTMDet',
    data_preprocessor=_base_.preprocessor,
    bbox_head=dict(
        type='RTMDetInsSepBNHead',
        bbox_coder=dict(type='DistancePointBBoxCoder'),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        loss_mask=dict(type='DiceLoss', loss_weight=2.0, eps=5e-6, reduction='mean'),
        **_base_.head,
    ),
    train_cfg=dict(assigner=_base_.assigner, **_base_.training),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6),
        max_per_img=300, mask_thr_binary=0.5,
    ),
)  # fmt: skip
