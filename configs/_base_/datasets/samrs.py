# SAMRS's three subsets (or your own annotation of DOTA-v2, DIOR and FAIR1M-2) in one joint batch.
# Lists: tools/dataset_converters/make_splits.py FOLDER. Packed tiles (pack_dataset.py) are read
# with train_dataloader.dataset.datasets.0.packed=packed and so on: several times faster.
crop_size = (224, 224)
sep_meta_keys = (
    'source', 'img_path', 'seg_map_path', 'ori_shape', 'img_shape', 'pad_shape', 'flip',
    'flip_direction', 'reduce_zero_label',
)  # fmt: skip
train_pipeline = [
    dict(type='LoadWindow', crop=dict(type='RandomScaleCrop', crop_size=crop_size)),
    # both flips of SAMRS, p=0.5 each and independent
    dict(
        type='RandomFlip',
        prob=[0.25, 0.25, 0.25],
        direction=['horizontal', 'vertical', 'diagonal'],
    ),
    dict(type='RandomRotate90', prob=0.5),
    dict(type='OneOfColour', prob=0.3),
    dict(type='PackSegInputs', meta_keys=sep_meta_keys),
]
val_pipeline = [
    dict(type='LoadWindow', crop=dict(type='CenterCropPad', crop_size=512)),
    dict(type='PackSegInputs', meta_keys=sep_meta_keys),
]
# Of single images, for mmsegmentation's inferencers: LoadWindow by the name that they look for
test_pipeline = [
    dict(type='LoadImageFromFile', _scope_='samrs_mm'),
    dict(type='PackSegInputs', meta_keys=sep_meta_keys),
]
train_sources = [
    dict(
        type='SOTADataset', data_root='data/samrs/sota', ann_file='train.txt',
        pipeline=train_pipeline,
    ),
    dict(
        type='SIORDataset', data_root='data/samrs/sior', ann_file='train.txt',
        pipeline=train_pipeline,
    ),
    dict(
        type='FASTDataset', data_root='data/samrs/fast', ann_file='train.txt',
        pipeline=train_pipeline,
    ),
]  # fmt: skip
val_sources = [
    dict(source, ann_file='val.txt', pipeline=val_pipeline, test_mode=True)
    for source in train_sources
]
train_dataloader = dict(
    batch_size=12,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='ProportionalMultiSourceSampler', seed=2023, keyed=True),
    dataset=dict(type='MultiSourceDataset', datasets=train_sources),
)
val_dataloader = dict(
    batch_size=12,
    num_workers=4,
    persistent_workers=True,
    # no image twice: it would count twice in the metric
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='MultiSourceDataset', pipeline=test_pipeline, datasets=val_sources),
)
test_dataloader = val_dataloader
