# RTMDet-R, sizes of l but for the neck's blocks; takes the levels 1 to 3. exp_on_reg as in
# mmrotate's l: without it boxes begin without size, and nothing matches
_base_ = './rotated.py'
act_cfg = dict(type='SiLU', inplace=True)
neck = dict(
    type='mmdet.CSPNeXtPAFPN', out_channels=256, num_csp_blocks=1, expand_ratio=0.5,
    norm_cfg=dict(type='BN'), act_cfg=act_cfg,
)  # fmt: skip
detector = dict(
    _scope_='mmrotate',
    type='mmdet.RTMDet',
    data_preprocessor=_base_.preprocessor,
    bbox_head=dict(
        type='RotatedRTMDetSepBNHead',
        num_classes=18,
        in_channels=256,
        feat_channels=256,
        stacked_convs=2,
        share_conv=True,
        pred_kernel_size=1,
        angle_version='le90',
        exp_on_reg=True,
        with_objectness=False,
        use_hbbox_loss=False,
        scale_angle=False,
        act_cfg=act_cfg,
        norm_cfg=dict(type='BN'),
        anchor_generator=dict(type='mmdet.MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
        bbox_coder=dict(type='DistanceAnglePointCoder', angle_version='le90'),
        loss_cls=dict(type='mmdet.QualityFocalLoss', use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_bbox=dict(type='RotatedIoULoss', mode='linear', loss_weight=2.0),
        loss_angle=None,
    ),
    train_cfg=dict(
        assigner=dict(
            type='mmdet.DynamicSoftLabelAssigner', topk=13,
            iou_calculator=dict(type='RBboxOverlaps2D'),
        ),
        allowed_border=-1, pos_weight=-1, debug=False,
    ),
    test_cfg=dict(
        nms_pre=2000, min_bbox_size=0, score_thr=0.05,
        nms=dict(type='nms_rotated', iou_threshold=0.1), max_per_img=2000,
    ),
)  # fmt: skip
