# Potsdam, 3 % of the training tiles
_base_ = './unet_resnet50_imp_potsdam.py'
train_dataloader = dict(dataset=dict(ann_file='train_3pct.txt'))
