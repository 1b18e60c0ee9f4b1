# BoxNet taught on twenty of the demo's masks; one scene, whose masks it doesn't see, is held out.
# Short: boxnet_s_finetune trains three times as long, and with clicks.
_base_ = '../boxnet/boxnet_s_finetune.py'
masks = dict(data_root='data/demo/scenes', held_out=0.05)
own = dict(_base_.mixed.datasets[0], count=20, **masks)
train_dataloader = dict(dataset=dict(datasets=[own, _base_.drawn]))
val_dataloader = dict(dataset=masks)
test_dataloader = val_dataloader
model = dict(clicked=0, rounds=1)
iterations = 60
train_cfg = dict(max_iters=iterations, val_interval=iterations)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=10, by_epoch=False),
    dict(type='CosineAnnealingLR', T_max=iterations - 10, begin=10, end=iterations, by_epoch=False),
]
