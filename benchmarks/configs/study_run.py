# How the trainings of the studies run: nothing is chosen by validation, the last checkpoint counts.
# drawn_runs.py sets their iterations
length = dict(max_iters=600)
pretraining = [dict(type='CosineAnnealingLR', T_max=600, end=600, eta_min=1e-4, by_epoch=False)]
finetuning = [dict(pretraining[0], eta_min=5e-6)]
last = dict(
    _delete_=True, type='CheckpointHook', by_epoch=False, interval=600, save_optimizer=False
)
curves = [dict(type='LocalVisBackend')]
