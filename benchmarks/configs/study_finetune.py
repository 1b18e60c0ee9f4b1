# sep_study.py, second half: the same network on domain B's tiles, exact labels, background a class
_base_ = ['../../configs/potsdam/upernet_resnet50_imp_potsdam.py', './study_run.py']
pretrain_source = None
metainfo = dict(
    classes=(
        'background', 'airplane', 'basketballcourt', 'groundtrackfield', 'harbor', 'ship',
        'storagetank', 'tenniscourt', 'vehicle', 'windmill',
    )
)  # fmt: skip
crop = dict(type='RandomScaleCrop', crop_size=(96, 96))
train_pipeline = [dict(type='LoadWindow', crop=crop), *_base_.train_pipeline[1:]]
tiles = dict(_delete_=True, type='TileFolderDataset', metainfo=metainfo)
train_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False,
    dataset=dict(tiles, data_root='data/train', ann_file='', pipeline=train_pipeline),
)  # fmt: skip
test_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False,
    dataset=dict(tiles, data_root='data/test', pipeline=_base_.test_pipeline, test_mode=True),
)  # fmt: skip
test_evaluator = dict(type='SegScoreMetric', classwise=('IoU',))
# nothing is chosen by validation; the test tiles are read once, by tools/test.py
val_dataloader = val_cfg = val_evaluator = None
model = dict(
    backbone=dict(depth=18, init_cfg=None),
    decode_head=dict(in_channels=[64, 128, 256, 512], channels=64, num_classes=10),
    test_cfg=dict(_delete_=True, mode='whole'),
)
train_cfg = _base_.length
param_scheduler = _base_.finetuning
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=_base_.last,
)  # fmt: skip
visualizer = dict(vis_backends=_base_.curves)
