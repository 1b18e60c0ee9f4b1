# ViT-Adapter's row of the paper's Table 7; clipping and what is not decayed (1-D weights, but not
# position embeddings) as the authors' code does, whose layer decay had no effect
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    clip_grad=dict(max_norm=5, norm_type=2),
    paramwise_cfg=dict(flat_decay_mult=0.0),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=80000, eta_min=0.0, begin=0, end=80000, by_epoch=False)
]
