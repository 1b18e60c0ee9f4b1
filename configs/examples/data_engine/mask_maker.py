# BoxNet taught on the masks that people accepted, corrected or added: masks.data_root=FOLDER, and
# model.checkpoint=FILE of the round before. Short; boxnet_s_finetune trains twice as long
_base_ = '../../boxnet/boxnet_s_finetune.py'
masks = dict(judged=True)
own = dict(_base_.mixed.datasets[0], **masks)
iterations = 100
train_dataloader = dict(dataset=dict(datasets=[own, _base_.drawn]))
val_dataloader = dict(dataset=masks)
test_dataloader = val_dataloader
train_cfg = dict(max_iters=iterations, val_interval=50)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=10, by_epoch=False),
    dict(type='CosineAnnealingLR', T_max=iterations - 10, begin=10, end=iterations, by_epoch=False),
]
