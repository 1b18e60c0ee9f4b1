# ISPRS Potsdam, five classes: tiles of 512 px that tools/dataset_converters/prepare_potsdam.py cuts
num_classes = 5
crop_size = (512, 512)
# Larger images than a tile are predicted in windows, two thirds of a window apart, and averaged
slide = dict(mode='slide', crop_size=crop_size, stride=(342, 342))
# As in pre-training, but for the colour changes
train_pipeline = [
    dict(type='LoadWindow', crop=dict(type='RandomScaleCrop', crop_size=crop_size)),
    dict(
        type='RandomFlip',
        prob=[0.25, 0.25, 0.25],
        direction=['horizontal', 'vertical', 'diagonal'],
    ),
    dict(type='RandomRotate90', prob=0.5),
    dict(type='PackSegInputs'),
]
# LoadWindow by the name under which mmsegmentation's inferencers look for the reader of images
load = dict(type='LoadImageFromFile', _scope_='samrs_mm')
test_pipeline = [load, dict(type='PackSegInputs')]
# 8 images in all, on one GPU; on N GPUs set the batch size to 8 / N
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler', seed=2023, keyed=True),
    dataset=dict(
        type='Potsdam5Dataset', data_root='data/potsdam/train', ann_file='', pipeline=train_pipeline
    ),
)
# These tiles are the benchmark's, not for choosing a checkpoint: validate at the end of training
# only. To watch a run, hold scenes out (make_splits.py data/potsdam/train) and set
# train_dataloader.dataset.ann_file=train.txt val_dataloader.dataset.ann_file=val.txt
# val_dataloader.dataset.data_root=data/potsdam/train train_cfg.val_interval=5000
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    # no tile twice: it would count twice in the metric
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='Potsdam5Dataset', data_root='data/potsdam/test', ann_file='', pipeline=test_pipeline,
        test_mode=True,
    ),
)  # fmt: skip
test_dataloader = val_dataloader
# Table 3: F1 of each class, OA and mF1
val_evaluator = dict(type='SegScoreMetric', classwise=('F1',))
test_evaluator = val_evaluator
