# Fine-tuning on your own data: data/own/images, and for each a PNG of the same name in
# data/own/labels whose values are class indices (255 is ignored). Lists: make_splits.py data/own
_base_ = '../potsdam/upernet_resnet50_imp-sep_potsdam.py'
# what it starts from: SEP weights, here those of configs/sep/upernet_resnet50.py
load_from = 'pretrain/sep/upernet_resnet50.pth'
classes = ('ground', 'building', 'road', 'water')  # in the order of the label values
iterations = 20000
data = dict(
    type='TileFolderDataset',
    data_root='data/own',
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    metainfo=dict(classes=classes),
)
train = dict(data, ann_file='train.txt', pipeline=_base_.train_pipeline, _delete_=True)
val = dict(data, ann_file='val.txt', pipeline=_base_.test_pipeline, test_mode=True, _delete_=True)
train_dataloader = dict(dataset=train)
val_dataloader = dict(batch_size=1, dataset=val)  # images may differ in size
test_dataloader = val_dataloader
val_evaluator = dict(classwise=('IoU',))
test_evaluator = val_evaluator
model = dict(decode_head=dict(num_classes=len(classes)))
train_cfg = dict(max_iters=iterations, val_interval=1000)
param_scheduler = [dict(_base_.param_scheduler[0], T_max=iterations, end=iterations)]
