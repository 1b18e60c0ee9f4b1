"""A config of several tasks on two small annotated folders, for the tools."""

import copy
from pathlib import Path

from instance_folders import write_instances
from mmengine.config import Config
from task_cases import CLASSES, INSTANCES, task_config

SIDE = 64
TEST_KEYS = ('source', 'img_id', 'img_path', 'seg_map_path', 'ori_shape', 'img_shape', 'instances')
LOAD = [
    dict(type='LoadWindow'),
    dict(type='HideIgnored'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True, box_type='qbox'),
    dict(type='mmrotate.ConvertBoxType', box_type_mapping=dict(gt_bboxes='rbox')),
]
UPRIGHT = [*LOAD[:2], dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True)]
CHANGE = [
    dict(type='mmdet.RandomCrop', crop_size=(SIDE, SIDE), allow_negative_crop=True),
    dict(type='mmdet.RandomFlip', prob=0.5),
    dict(type='RandomRotate90', prob=0.5),
    dict(type='mmdet.Pad', size=(SIDE, SIDE), pad_val=dict(img=0, seg=255)),
]
LIBRARIES = dict(
    instance=['mmdet.models', 'mmdet.evaluation', 'mmdet.datasets.transforms'],
    oriented=['mmrotate.models', 'mmrotate.evaluation', 'mmrotate.datasets.transforms'],
)
METRICS = dict(
    instance=dict(type='mmdet.CocoMetric', metric=['bbox', 'segm']),
    oriented=dict(type='mmrotate.DOTAMetric', metric='mAP'),
)


def write_task_run(root: Path, tasks=INSTANCES, validate=False, **changes) -> str:
    """Write two folders and a config of tasks by source below ``root``; return the config's path.

    Without validation the detectors have no test_cfg, whose nms needs compiled ops.
    """
    for source, count in CLASSES.items():
        names = tuple(f'{source}{number}' for number in range(count))
        write_instances(root / 'data' / source, classes=names)
    model = copy.deepcopy(task_config(tasks)) | dict(data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[127.0] * 3, std=[60.0] * 3, bgr_to_rgb=True,
        size_divisor=32, test_cfg=dict(size_divisor=32),
    ))  # fmt: skip
    if not validate:
        for about in model['detectors'].values():
            about['detector'].pop('test_cfg')
    kinds = {task for names in tasks.values() for task in names}
    config = dict(
        default_scope='mmseg',
        custom_imports=dict(imports=[
            'samrs_mm.registered', 'training_runs', *LIBRARIES['instance'],
            *(LIBRARIES['oriented'] if 'oriented' in kinds else ()),
        ]),
        model=model,
        train_dataloader=dict(
            batch_size=4, num_workers=0,
            sampler=dict(type='ProportionalMultiSourceSampler', seed=1, keyed=True),
            dataset=_sources(root, tasks, 'train.txt', CHANGE),
        ),
        train_cfg=dict(type='ResumableIterLoop', max_iters=4, val_interval=4),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3)),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2),
            logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
            class_check=dict(type='SourceClassCheckHook'),
            export=dict(type='ExportWeightsHook', path=str(root / 'mtp/{config}.pth')),
            plain_checkpoint=dict(type='PlainCheckpointHook'),
        ),
        custom_hooks=[dict(type='RecordRun', folder=str(root))],
        log_processor=dict(by_epoch=False),
        randomness=dict(seed=3),
    )  # fmt: skip
    if validate:
        config |= _testing(root, tasks)
    path = root / 'tasks.py'
    Config(config | changes).dump(path)
    return str(path)


def _testing(root: Path, tasks) -> dict:
    loader = dict(
        batch_size=1, num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
        dataset=_sources(root, tasks, '', [], meta_keys=TEST_KEYS),
    )  # fmt: skip
    scores = [
        dict(type='DetectorMetric', detector=f'{source}_{task}', source=source, task=task,
             metric=METRICS[task])
        for source, names in tasks.items() for task in names
    ]  # fmt: skip
    scores.insert(0, dict(type='PerSourceIoUMetric', iou_metrics=['mIoU']))
    return dict(
        val_dataloader=loader, test_dataloader=loader, val_evaluator=scores, test_evaluator=scores,
        val_cfg=dict(type='ValLoop'), test_cfg=dict(type='TestLoop'),
    )  # fmt: skip


def _sources(root: Path, tasks, ann_file: str, change: list, **pack) -> dict:
    datasets = []
    for source, names in tasks.items():
        oriented = 'oriented' in names
        steps = LOAD if oriented else UPRIGHT
        steps = steps if change else [step for step in steps if step['type'] != 'HideIgnored']
        datasets.append(dict(
            type='AnnotatedInstanceDataset', data_root=str(root / 'data' / source), source=source,
            boxes='rbox' if oriented else 'mask', semantic=True, ann_file=ann_file,
            filter_empty=bool(change),
            pipeline=[*steps, *change, dict(type='PackMultiTaskInputs', tasks=names, **pack)],
            test_mode=not change,
        ))  # fmt: skip
    return dict(type='MultiSourceDataset', datasets=datasets)
