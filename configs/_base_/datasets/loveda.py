# LoveDA, seven classes: images of 1024 px in the folders of mmsegmentation's converter. Labels
# begin at 1, 0 is no data; the test images have none. All else is as for Potsdam.
_base_ = './potsdam.py'
num_classes = 7
train_dataloader, val_dataloader = (
    dict(
        dataset=dict(
            _delete_=True,
            type='LoveDADataset',
            data_root='data/loveDA',
            ann_file='',
            data_prefix=dict(img_path=f'img_dir/{part}', seg_map_path=f'ann_dir/{part}'),
            pipeline=pipeline,
            **mode,
        ),
    )
    for part, pipeline, mode in (
        ('train', _base_.train_pipeline, {}),
        ('val', _base_.test_pipeline, dict(test_mode=True)),
    )
)
val_dataloader['batch_size'] = 4
test_dataloader = val_dataloader
val_evaluator = dict(classwise=('IoU',))
test_evaluator = val_evaluator
