# RTMDet-R. exp_on_reg as in mmrotate's l: without it boxes begin without size, and nothing matches
_base_ = ['./rotated.py', './rtmdet.py', '../schedules/adamw_detector_80k.py']
detector = dict(
    _scope_='mmrotate',
    type='mmdet.RTMDet',
    data_preprocessor=_base_.preprocessor,
    bbox_head=dict(
        type='RotatedRTMDetSepBNHead',
        angle_version='le90',
        exp_on_reg=True,
        with_objectness=False,
        use_hbbox_loss=False,
        scale_angle=False,
        bbox_coder=dict(type='DistanceAnglePointCoder', angle_version='le90'),
        loss_bbox=dict(type='RotatedIoULoss', mode='linear', loss_weight=2.0),
        loss_angle=None,
        **_base_.head,
    ),
    train_cfg=dict(
        assigner=dict(iou_calculator=dict(type='RBboxOverlaps2D'), **_base_.assigner),
        **_base_.training,
    ),
    test_cfg=dict(
        nms_pre=2000, min_bbox_size=0, score_thr=0.05,
        nms=dict(type='nms_rotated', iou_threshold=0.1), max_per_img=2000,
    ),
)  # fmt: skip
