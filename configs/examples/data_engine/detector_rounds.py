# The detector on the masks of several rounds: copy it and list their folders, which have the same
# classes. load_from=FILE starts from the weights of the round before
_base_ = './detector.py'
folders = ['data/engine/round_1/masks', 'data/engine/round_2/masks']
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MultiSourceDataset',
        datasets=[
            dict(
                _base_.train_dataloader.dataset,
                data_root=folder,
                ann_file='',
                source=f'round_{number}',
            )
            for number, folder in enumerate(folders, start=1)
        ],
    )
)
