# The package's weights, trained on, on other drawn crops (kinds, textures of your own)
_base_ = './boxnet_s.py'
iterations = 2000
train_dataloader = dict(
    dataset=dict(length=_base_.crop_batch * iterations, sides=((0, 96),), seed=4)
)
model = dict(widths=None, checkpoint='boxnet_s')
optim_wrapper = dict(optimizer=dict(lr=3e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(
        type='CosineAnnealingLR', T_max=iterations - 100, eta_min=1.5e-5, begin=100,
        end=iterations, by_epoch=False,
    ),
]  # fmt: skip
train_cfg = dict(max_iters=iterations, val_interval=500)
default_hooks = dict(boxnet=dict(beat_start=True), first=dict(type='ValidateFirstHook'))
