# RTMDet-Ins of mmdet and RTMDet-R of mmrotate, but for backbone and preprocessor. Sizes of l but
# for the neck's blocks; they take the levels 1 to 3. No random sampling, and losses are divided by
# counts over all ranks
act_cfg = dict(type='SiLU', inplace=True)
neck = dict(
    type='mmdet.CSPNeXtPAFPN', out_channels=256, num_csp_blocks=1, expand_ratio=0.5,
    norm_cfg=dict(type='BN'), act_cfg=act_cfg,
)  # fmt: skip
head = dict(
    num_classes=18,
    in_channels=256,
    feat_channels=256,
    stacked_convs=2,
    share_conv=True,
    pred_kernel_size=1,
    act_cfg=act_cfg,
    norm_cfg=dict(type='BN'),
    anchor_generator=dict(type='mmdet.MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
    loss_cls=dict(type='mmdet.QualityFocalLoss', use_sigmoid=True, beta=2.0, loss_weight=1.0),
)
assigner = dict(type='mmdet.DynamicSoftLabelAssigner', topk=13)
training = dict(allowed_border=-1, pos_weight=-1, debug=False)
rtmdet_ins = dict(
    _scope_='mmdet',
    type='RTMDet',
    bbox_head=dict(
        type='RTMDetInsSepBNHead',
        bbox_coder=dict(type='DistancePointBBoxCoder'),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        loss_mask=dict(type='DiceLoss', loss_weight=2.0, eps=5e-6, reduction='mean'),
        **head,
    ),
    train_cfg=dict(assigner=assigner, **training),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6),
        max_per_img=300, mask_thr_binary=0.5,
    ),
)  # fmt: skip
rtmdet_r = dict(
    _scope_='mmrotate',
    type='mmdet.RTMDet',
    bbox_head=dict(
        type='RotatedRTMDetSepBNHead',
        angle_version='le90',
        # as in mmrotate's l: without it boxes begin without size, and nothing matches
        exp_on_reg=True,
        with_objectness=False,
        use_hbbox_loss=False,
        scale_angle=False,
        bbox_coder=dict(type='DistanceAnglePointCoder', angle_version='le90'),
        loss_bbox=dict(type='RotatedIoULoss', mode='linear', loss_weight=2.0),
        loss_angle=None,
        **head,
    ),
    train_cfg=dict(
        assigner=dict(iou_calculator=dict(type='RBboxOverlaps2D'), **assigner), **training
    ),
    test_cfg=dict(
        nms_pre=2000, min_bbox_size=0, score_thr=0.05,
        nms=dict(type='nms_rotated', iou_threshold=0.1), max_per_img=2000,
    ),
)  # fmt: skip
