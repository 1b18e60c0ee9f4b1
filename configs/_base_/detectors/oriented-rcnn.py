# Oriented R-CNN over FPN. It samples at random and divides losses by a rank's own counts, so that
# several ranks don't train as one does
_base_ = ['./rotated.py', '../schedules/adamw_detector_80k.py']
neck = dict(type='mmdet.FPN', out_channels=256, num_outs=5)
cross_entropy = dict(type='mmdet.CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)
assigner = dict(
    type='mmdet.MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5,
    match_low_quality=False, ignore_iof_thr=-1, iou_calculator=dict(type='RBboxOverlaps2D'),
)  # fmt: skip
rpn_assigner = dict(
    assigner, pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, match_low_quality=True,
    iou_calculator=dict(type='RBbox2HBboxOverlaps2D'),
)  # fmt: skip
sampler = dict(
    type='mmdet.RandomSampler', num=512, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True
)
proposals = dict(
    nms_pre=2000, max_per_img=2000, nms=dict(type='nms', iou_threshold=0.8), min_bbox_size=0
)
detector = dict(
    _scope_='mmrotate',
    type='mmdet.FasterRCNN',
    data_preprocessor=_base_.preprocessor,
    rpn_head=dict(
        type='OrientedRPNHead',
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type='mmdet.AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64], use_box_type=True,
        ),
        bbox_coder=dict(
            type='MidpointOffsetCoder', angle_version='le90', target_means=[0.0] * 6,
            target_stds=[1.0, 1.0, 1.0, 1.0, 0.5, 0.5],
        ),
        loss_cls=dict(cross_entropy, use_sigmoid=True),
        loss_bbox=dict(type='mmdet.SmoothL1Loss', beta=1 / 9, loss_weight=1.0),
    ),
    roi_head=dict(
        type='mmdet.StandardRoIHead',
        bbox_roi_extractor=dict(
            type='RotatedSingleRoIExtractor',
            roi_layer=dict(type='RoIAlignRotated', out_size=7, sample_num=2, clockwise=True),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(
            type='mmdet.Shared2FCBBoxHead',
            predict_box_type='rbox',
            in_channels=256,
            fc_out_channels=1024,
            roi_feat_size=7,
            num_classes=18,
            reg_predictor_cfg=dict(type='mmdet.Linear'),
            cls_predictor_cfg=dict(type='mmdet.Linear'),
            bbox_coder=dict(
                type='DeltaXYWHTRBBoxCoder', angle_version='le90', norm_factor=None, edge_swap=True,
                proj_xy=True, target_means=[0.0] * 5, target_stds=[0.1, 0.1, 0.2, 0.2, 0.1],
            ),
            reg_class_agnostic=True,
            loss_cls=cross_entropy,
            loss_bbox=dict(type='mmdet.SmoothL1Loss', beta=1.0, loss_weight=1.0),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=rpn_assigner,
            sampler=dict(sampler, num=256, pos_fraction=0.5, add_gt_as_proposals=False),
            allowed_border=0, pos_weight=-1, debug=False,
        ),
        rpn_proposal=proposals,
        rcnn=dict(assigner=assigner, sampler=sampler, pos_weight=-1, debug=False),
    ),
    test_cfg=dict(
        rpn=proposals,
        rcnn=dict(
            nms_pre=2000, min_bbox_size=0, score_thr=0.05,
            nms=dict(type='nms_rotated', iou_threshold=0.1), max_per_img=2000,
        ),
    ),
)  # fmt: skip
