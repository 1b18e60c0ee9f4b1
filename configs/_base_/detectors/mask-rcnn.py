# Mask R-CNN over FPN. It samples at random and divides losses by a rank's own counts, so that
# several ranks don't train as one does
_base_ = ['./instance.py', '../schedules/adamw_detector_80k.py']
cross_entropy = dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)
neck = dict(type='FPN', out_channels=256, num_outs=5)
assigner = dict(
    type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5,
    match_low_quality=True, ignore_iof_thr=-1,
)  # fmt: skip
sampler = dict(
    type='RandomSampler', num=512, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True
)
proposals = dict(
    nms_pre=2000, max_per_img=1000, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0
)
extractor = dict(type='SingleRoIExtractor', out_channels=256, featmap_strides=[4, 8, 16, 32])
detector = dict(
    _scope_='mmdet',
    type='MaskRCNN',
    data_preprocessor=_base_.preprocessor,
    rpn_head=dict(
        type='RPNHead',
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type='AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
        ),
        bbox_coder=dict(
            type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[1.0] * 4
        ),
        loss_cls=dict(cross_entropy, use_sigmoid=True),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0),
    ),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=dict(
            extractor, roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0)
        ),
        bbox_head=dict(
            type='Shared2FCBBoxHead',
            in_channels=256,
            fc_out_channels=1024,
            roi_feat_size=7,
            num_classes=18,
            bbox_coder=dict(
                type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4,
                target_stds=[0.1, 0.1, 0.2, 0.2],
            ),
            reg_class_agnostic=False,
            loss_cls=cross_entropy,
            loss_bbox=dict(type='L1Loss', loss_weight=1.0),
        ),
        mask_roi_extractor=dict(
            extractor, roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=0)
        ),
        mask_head=dict(
            type='FCNMaskHead', num_convs=4, in_channels=256, conv_out_channels=256, num_classes=18,
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True, loss_weight=1.0),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(assigner, pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
            sampler=dict(sampler, num=256, pos_fraction=0.5, add_gt_as_proposals=False),
            allowed_border=-1, pos_weight=-1, debug=False,
        ),
        rpn_proposal=proposals,
        rcnn=dict(assigner=assigner, sampler=sampler, mask_size=28, pos_weight=-1, debug=False),
    ),
    test_cfg=dict(
        rpn=dict(proposals, nms_pre=1000),
        rcnn=dict(
            score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=300,
            mask_thr_binary=0.5,
        ),
    ),
)  # fmt: skip
