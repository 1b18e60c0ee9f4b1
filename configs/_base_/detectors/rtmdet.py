# What RTMDet-Ins and RTMDet-R share, of mmdet. Sizes of l but for the neck's blocks; they take the
# levels 1 to 3. No random sampling, and losses are divided by counts over all ranks
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
