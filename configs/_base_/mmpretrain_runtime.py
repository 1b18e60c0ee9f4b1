# Runs of mmpretrain's models: counted in epochs, without validation
_base_ = './default_runtime.py'
default_scope = 'mmpretrain'
default_hooks = dict(
    logger=dict(log_metric_by_epoch=True),
    checkpoint=dict(
        _delete_=True, type='CheckpointHook', by_epoch=True, interval=20, max_keep_ckpts=2
    ),
    plain_checkpoint=dict(type='mmseg.PlainCheckpointHook'),
    strict_loading=dict(type='mmseg.StrictLoadingHook'),
    resumed_schedule=dict(type='mmseg.ResumedScheduleHook'),
    finite_loss=dict(type='mmseg.FiniteLossHook'),
    stop_signal=dict(type='mmseg.StopSignalHook'),
)
visualizer = dict(type='Visualizer')
log_processor = dict(by_epoch=True)
