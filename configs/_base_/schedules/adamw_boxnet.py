boxnet_iters = 16000
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1.5e-3, betas=(0.9, 0.98), weight_decay=0.02),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=200, by_epoch=False),
    dict(
        type='CosineAnnealingLR', T_max=boxnet_iters - 200, eta_min=1.5e-5, begin=200,
        end=boxnet_iters, by_epoch=False,
    ),
]  # fmt: skip
train_cfg = dict(type='ResumableIterLoop', max_iters=boxnet_iters, val_interval=500)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
