# RTMDet-Ins, sizes of l but for the neck's blocks; takes the levels 1 to 3. No random sampling, and
# losses are divided by counts over all ranks
_base_ = './instance.py'
act_cfg = dict(type='SiLU', inplace=True)
neck = dict(
    type='CSPNeXtPAFPN', out_channels=256, num_csp_blocks=1, expand_ratio=0.5,
    norm_cfg=dict(type='BN'), act_cfg=act_cfg,
)  # fmt: skip
detector = dict(
    _scope_='mmdet',
    type='RTMDet',
    data_preprocessor=_base_.preprocessor,
    bbox_head=dict(
        type='RTMDetInsSepBNHead',
        num_classes=18,
        in_channels=256,
        feat_channels=256,
        stacked_convs=2,
        share_conv=True,
        pred_kernel_size=1,
        act_cfg=act_cfg,
        norm_cfg=dict(type='BN', requires_grad=True),
        anchor_generator=dict(type='MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
        bbox_coder=dict(type='DistancePointBBoxCoder'),
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        loss_mask=dict(type='DiceLoss', loss_weight=2.0, eps=5e-6, reduction='mean'),
    ),
    train_cfg=dict(
        assigner=dict(type='DynamicSoftLabelAssigner', topk=13),
        allowed_border=-1, pos_weight=-1, debug=False,
    ),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6),
        max_per_img=300, mask_thr_binary=0.5,
    ),
)  # fmt: skip
