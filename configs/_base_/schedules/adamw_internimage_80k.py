# InternImage's row of the paper's Table 7; clipping and what is not decayed (whatever has one
# dimension: biases, norms, layer scales) from the authors' code
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.05),
    clip_grad=dict(max_norm=5, norm_type=2),
    paramwise_cfg=dict(flat_decay_mult=0.0),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=80000, eta_min=0.0, begin=0, end=80000, by_epoch=False)
]
