# Datasets in the folders of mmsegmentation's converters; a config adds type, data_root and classes.
# All else is as for Potsdam.
_base_ = './potsdam.py'
train_dataloader, val_dataloader = (
    dict(
        dataset=dict(
            _delete_=True,
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
