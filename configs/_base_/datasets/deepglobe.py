# DeepGlobe Land Cover, six classes: 612 px tiles of tools/dataset_converters/prepare_deepglobe.py.
# All else is as for Potsdam.
_base_ = './potsdam.py'
num_classes = 6
train_dataloader = dict(
    dataset=dict(type='DeepGlobeTilesDataset', data_root='data/deepglobe/train')
)
val_dataloader = dict(dataset=dict(type='DeepGlobeTilesDataset', data_root='data/deepglobe/val'))
test_dataloader = val_dataloader
val_evaluator = dict(classwise=('IoU',))
test_evaluator = val_evaluator
