# Pre-training on your own sources: folders that tools/sam_annotate.py wrote, or a released subset,
# with lists by tools/dataset_converters/make_splits.py. Each source has its own classes, and its
# own head with as many.
_base_ = '../sep/upernet_resnet50.py'
sources = [
    dict(type='SOTADataset', data_root='data/samrs/sota'),
    dict(type='SIORDataset', data_root='data/SIOR-released'),
    dict(type='SAMRSDataset', data_root='data/ports', source='ports'),
]
heads = dict(sota=dict(num_classes=18), sior=dict(num_classes=20), ports=dict(num_classes=3))
model = dict(heads=dict(_delete_=True, **heads))
train_sources = [
    dict(source, ann_file='train.txt', pipeline=_base_.train_pipeline) for source in sources
]
val_sources = [
    dict(source, ann_file='val.txt', pipeline=_base_.val_pipeline, test_mode=True)
    for source in sources
]
train_dataloader = dict(dataset=dict(datasets=train_sources))
val_dataloader = dict(dataset=dict(datasets=val_sources))
test_dataloader = val_dataloader
