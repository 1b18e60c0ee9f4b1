# What every run needs; custom_hooks is left to you. More hooks by segmentor: segmentors/*.py,
# which include this file
import sys

default_scope = 'mmseg'
# For mmengine's and mmseg's own tools and functions; those of samrs_mm need no import.
custom_imports = dict(imports=['samrs_mm.registered'])
log_processor = dict(by_epoch=False)
# Curves: tensorboard --logdir work_dirs
visualizer = dict(
    type='SourceVisualizer',
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
)
log_level = 'INFO'
# 'fp32', 'tf32', 'bf16', 'fp16', as of --precision; None: as torch has it
precision = None
# Initial weights and dropout; samples and augmentation follow the sampler's own seed
randomness = dict(seed=2023)
env_cfg = dict(
    cudnn_benchmark=True,
    # forked processes can't use all of macOS's libraries; Windows has none, whatever stands here
    mp_cfg=dict(
        mp_start_method='fork' if sys.platform == 'linux' else 'spawn', opencv_num_threads=0
    ),
    dist_cfg=dict(backend='nccl'),
)
# Batch norm over all GPUs; ranks on CPU have their own
sync_bn = 'torch'
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook',
        by_epoch=False,
        interval=5000,
        max_keep_ckpts=2,
        save_best='mIoU',
        rule='greater',
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    plain_checkpoint=dict(type='PlainCheckpointHook'),
    strict_loading=dict(type='StrictLoadingHook'),
    resumed_schedule=dict(type='ResumedScheduleHook'),
    finite_loss=dict(type='FiniteLossHook'),
    stop_signal=dict(type='StopSignalHook'),
    owed_validation=dict(type='OwedValidationHook'),
    speed=dict(type='SpeedHook'),
    learning_curves=dict(type='LearningCurvesHook'),
)
