# ISPRS Vaihingen, six classes: tiles of 512 px in the folders of mmsegmentation's converter. Labels
# begin at 1, 0 are eroded boundaries. Clutter is trained, but not averaged. All else is as for
# Potsdam; red, green and blue of the images are near infrared, red and green.
_base_ = './potsdam.py'
num_classes = 6
train_dataloader, val_dataloader = (
    dict(
        dataset=dict(
            _delete_=True,
            type='ISPRSDataset',
            data_root='data/vaihingen',
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
test_dataloader = val_dataloader
val_evaluator = dict(exclude=('clutter',))
test_evaluator = val_evaluator
