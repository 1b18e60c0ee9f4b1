# Potsdam, 5 % of the training tiles
_base_ = './unet_resnet50_rsp_potsdam.py'
train_dataloader = dict(dataset=dict(ann_file='train_5pct.txt'))
