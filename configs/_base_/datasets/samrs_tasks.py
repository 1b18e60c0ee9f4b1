# SAMRS's subsets with label maps, masks and R-Boxes, of annotated folders: sam_annotate.py writes
# them, or import_samrs.py of the released pickles. Lists: make_splits.py FOLDER --keep-empty
image_size, crop_size = (1024, 1024), (448, 448)
load = [
    dict(type='LoadWindow'),
    dict(type='HideIgnored'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True, box_type='qbox'),
    dict(type='mmrotate.ConvertBoxType', box_type_mapping=dict(gt_bboxes='rbox')),
]
change = [
    # the inner type counts: mmcv's Resize knows neither masks nor types of boxes
    dict(
        type='RandomResize', scale=image_size, ratio_range=(0.5, 2.0), keep_ratio=True,
        resize_type='mmdet.Resize',
    ),
    # an object whose box has its centre outside is left out; its pixels in the label map stay
    dict(type='mmdet.RandomCrop', crop_size=crop_size, allow_negative_crop=True),
    dict(
        type='mmdet.RandomFlip', prob=[0.25, 0.25, 0.25],
        direction=['horizontal', 'vertical', 'diagonal'],
    ),
    dict(type='RandomRotate90', prob=0.5),
    dict(type='OneOfColour', prob=0.3),
    dict(type='mmdet.Pad', size=crop_size, pad_val=dict(img=0, seg=255)),
]  # fmt: skip
test_load = [load[0], *load[2:]]
test_keys = ('source', 'img_id', 'img_path', 'seg_map_path', 'ori_shape', 'img_shape', 'instances')
taught = dict(sota=['instance', 'oriented'], sior=['instance'], fast=['instance', 'oriented'])
train_sources, val_sources = (
    [
        dict(
            type='AnnotatedInstanceDataset',
            source=source,
            data_root=f'data/samrs/{source}',
            boxes='rbox',
            semantic=True,
            ann_file=ann_file,
            pipeline=[*steps, dict(type='PackMultiTaskInputs', tasks=tasks, **keys)],
            **mode,
        )
        for source, tasks in taught.items()
    ]
    for ann_file, steps, keys, mode in (
        ('train.txt', [*load, *change], {}, {}),
        # what is found in an image without objects is a false alarm
        ('val.txt', test_load, dict(meta_keys=test_keys), dict(test_mode=True, filter_empty=False)),
    )
)
train_dataloader = dict(
    batch_size=12,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='ProportionalMultiSourceSampler', seed=2023, keyed=True),
    dataset=dict(type='MultiSourceDataset', datasets=train_sources),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    # no image twice: it would count twice in the metrics
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='MultiSourceDataset', datasets=val_sources),
)
test_dataloader = val_dataloader
