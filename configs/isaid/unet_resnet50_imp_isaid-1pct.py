# iSAID, 1 % of the training tiles
_base_ = './unet_resnet50_imp_isaid.py'
train_dataloader = dict(dataset=dict(ann_file='train_1pct.txt'))
