# Two drawn sources, a small network, three tasks: on a CPU after `make demo`, with compiled ops
_base_ = '../mtp/upernet-rtmdet_vitae.py'
pretrain_source = None
folders = dict(city='data/demo/masks', coast='data/demo/masks-b')
classes = dict(city=11, coast=9)
image_size = (256, 256)
tasks = ['instance', 'oriented']
change = [
    dict(step, **{key: image_size for key in ('scale', 'crop_size', 'size') if key in step})
    for step in _base_.change
]
train_sources, val_sources = (
    [
        dict(
            _base_.train_sources[0], source=source, data_root=root, ann_file=ann_file,
            pipeline=[*steps, dict(type='PackMultiTaskInputs', tasks=tasks, **keys)], **mode,
        )
        for source, root in folders.items()
    ]
    for ann_file, steps, keys, mode in (
        ('train.txt', [*_base_.load, *change], {}, {}),
        ('val.txt', _base_.test_load, dict(meta_keys=_base_.test_keys), dict(test_mode=True)),
    )
)  # fmt: skip
