# Mask2Former on instances, sizes of its paper but for the panoptic part. The only one here that
# needs no compiled op, in training or testing; its points are drawn at random
_base_ = ['./instance.py', '../schedules/adamw_mask2former_80k.py']
num_classes = 18
attention = dict(embed_dims=256, num_heads=8, dropout=0.0, batch_first=True)
position = dict(num_feats=128, normalize=True)
ffn = dict(embed_dims=256, num_fcs=2, ffn_drop=0.0, act_cfg=dict(type='ReLU', inplace=True))
sigmoid = dict(type='CrossEntropyLoss', use_sigmoid=True, reduction='mean', loss_weight=5.0)
dice = dict(
    type='DiceLoss', use_sigmoid=True, activate=True, reduction='mean', naive_dice=True, eps=1.0,
    loss_weight=5.0,
)  # fmt: skip
head = dict(
    type='Mask2FormerHead',
    strides=[4, 8, 16, 32],
    feat_channels=256,
    out_channels=256,
    num_things_classes=num_classes,
    num_stuff_classes=0,
    num_queries=100,
    num_transformer_feat_level=3,
    pixel_decoder=dict(
        type='MSDeformAttnPixelDecoder',
        num_outs=3,
        norm_cfg=dict(type='GN', num_groups=32),
        act_cfg=dict(type='ReLU'),
        encoder=dict(
            num_layers=6,
            layer_cfg=dict(
                self_attn_cfg=dict(attention, num_levels=3, num_points=4),
                ffn_cfg=dict(ffn, feedforward_channels=1024),
            ),
        ),
        positional_encoding=position,
    ),
    enforce_decoder_input_project=False,
    positional_encoding=position,
    transformer_decoder=dict(
        return_intermediate=True,
        num_layers=9,
        layer_cfg=dict(
            self_attn_cfg=attention,
            cross_attn_cfg=attention,
            ffn_cfg=dict(ffn, feedforward_channels=2048),
        ),
        init_cfg=None,
    ),
    loss_cls=dict(
        type='CrossEntropyLoss', use_sigmoid=False, loss_weight=2.0, reduction='mean',
        class_weight=[*[1.0] * num_classes, 0.1],
    ),
    loss_mask=sigmoid,
    loss_dice=dice,
)  # fmt: skip
detector = dict(
    _scope_='mmdet',
    type='Mask2Former',
    data_preprocessor=_base_.preprocessor,
    panoptic_fusion_head=dict(
        type='MaskFormerFusionHead', num_things_classes=num_classes, num_stuff_classes=0
    ),
    train_cfg=dict(
        num_points=12544,
        oversample_ratio=3.0,
        importance_sample_ratio=0.75,
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[
                dict(type='ClassificationCost', weight=2.0),
                dict(type='CrossEntropyLossCost', weight=5.0, use_sigmoid=True),
                dict(type='DiceCost', weight=5.0, pred_act=True, eps=1.0),
            ],
        ),
        sampler=dict(type='MaskPseudoSampler'),
    ),
    test_cfg=dict(
        panoptic_on=False, semantic_on=False, instance_on=True, max_per_image=100, iou_thr=0.8,
        filter_low_score=True,
    ),
)  # fmt: skip
