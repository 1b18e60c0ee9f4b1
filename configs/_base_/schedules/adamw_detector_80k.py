# RTMDet's optimizer, which backbones of transformers take, too, with a rate for batches of 8
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),
    clip_grad=dict(max_norm=35, norm_type=2),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, bypass_duplicate=True),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=1000, by_epoch=False),
    dict(
        type='CosineAnnealingLR', T_max=40000, eta_min=5e-6, begin=40000, end=80000, by_epoch=False
    ),
]
