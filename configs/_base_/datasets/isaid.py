# iSAID, background and 15 classes: 896 px tiles of tools/dataset_converters/prepare_isaid.py
num_classes = 16
crop_size = (896, 896)
# Larger images than a tile are predicted in windows, two thirds of a window apart, and averaged
slide = dict(mode='slide', crop_size=crop_size, stride=(598, 598))
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
test_pipeline = [dict(type='LoadWindow'), dict(type='PackSegInputs')]
# 8 images in all, on one GPU; on N GPUs set the batch size to 8 / N
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler', seed=2023, keyed=True),
    dataset=dict(
        type='ISAIDTilesDataset', data_root='data/isaid/train', ann_file='', pipeline=train_pipeline
    ),
)
# These tiles are the benchmark's, not for choosing a checkpoint: validate at the end of training
# only. To watch a run, hold scenes out (make_splits.py data/isaid/train) and set
# train_dataloader.dataset.ann_file=train.txt val_dataloader.dataset.ann_file=val.txt
# val_dataloader.dataset.data_root=data/isaid/train train_cfg.val_interval=5000
val_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    # no tile twice: it would count twice in the metric
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='ISAIDTilesDataset', data_root='data/isaid/val', ann_file='', pipeline=test_pipeline,
        test_mode=True,
    ),
)  # fmt: skip
test_dataloader = val_dataloader
# Table 4: IoU of each class and their mean; background is trained, but not averaged
val_evaluator = dict(type='SegScoreMetric', exclude=('background',), classwise=('IoU',))
test_evaluator = val_evaluator
