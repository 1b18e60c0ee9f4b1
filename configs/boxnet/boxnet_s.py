# The mask maker's weights that come with the package: drawn crops alone, 64 px for the first 60 %
_base_ = [
    '../_base_/datasets/drawn_crops.py',
    '../_base_/schedules/adamw_boxnet.py',
    '../_base_/segmentors/boxnet.py',
]
model = _base_.segmentor
crops = _base_.crop_batch * _base_.boxnet_iters
sides = ((0, 64), (crops * 6 // 10, 96))
train_dataloader = dict(dataset=dict(length=crops, sides=sides))
