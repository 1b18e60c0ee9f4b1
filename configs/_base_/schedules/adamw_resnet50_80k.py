# ResNet's row of the paper's Table 7; clipping from the authors' code
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=0.05),
    clip_grad=dict(max_norm=5, norm_type=2),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=80000, eta_min=1e-4, begin=0, end=80000, by_epoch=False)
]
