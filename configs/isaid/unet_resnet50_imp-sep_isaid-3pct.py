# iSAID, 3 % of the training tiles
_base_ = './unet_resnet50_imp-sep_isaid.py'
train_dataloader = dict(dataset=dict(ann_file='train_3pct.txt'))
