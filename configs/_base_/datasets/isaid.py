# iSAID, background and 15 classes: 896 px tiles of tools/dataset_converters/prepare_isaid.py. All
# else is as for Potsdam.
_base_ = './potsdam.py'
num_classes = 16
crop_size = (896, 896)
slide = dict(crop_size=crop_size, stride=(598, 598))
train_pipeline = [
    dict(type='LoadWindow', crop=dict(type='RandomScaleCrop', crop_size=crop_size)),
    *_base_.train_pipeline[1:],
]
train_dataloader = dict(
    dataset=dict(type='ISAIDTilesDataset', data_root='data/isaid/train', pipeline=train_pipeline)
)
val_dataloader = dict(
    batch_size=4, dataset=dict(type='ISAIDTilesDataset', data_root='data/isaid/val')
)
test_dataloader = val_dataloader
# Table 4: IoU of each class and their mean; background is trained, but not averaged
val_evaluator = dict(exclude=('background',), classwise=('IoU',))
test_evaluator = val_evaluator
