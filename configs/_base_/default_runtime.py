default_scope = 'mmseg'
custom_imports = dict(
    imports=[
        'samrs_mm.datasets.segmentation.isaid',
        'samrs_mm.datasets.segmentation.multi_source',
        'samrs_mm.datasets.segmentation.potsdam',
        'samrs_mm.datasets.samplers',
        'samrs_mm.datasets.segmentation.samrs',
        'samrs_mm.datasets.segmentation.tile_folder',
        'samrs_mm.datasets.transforms',
        'samrs_mm.models.backbones',
        'samrs_mm.models.decode_heads',
        'samrs_mm.models.segmentors',
        'samrs_mm.evaluation.metrics',
        'samrs_mm.engine.hooks',
        'samrs_mm.engine.loops',
        'samrs_mm.engine.visualizers',
    ]
)
log_processor = dict(by_epoch=False)
# Curves: tensorboard --logdir work_dirs
visualizer = dict(
    type='SourceVisualizer',
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
)
log_level = 'INFO'
# Initial weights and dropout; samples and augmentation follow the sampler's own seed
randomness = dict(seed=2023)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
# Batch norm over all GPUs; ranks on CPU have their own
sync_bn = 'torch'
