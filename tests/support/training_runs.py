"""Tiny sources, a config to train on them, and runs of the tools in processes of their own."""

import contextlib
import json
import multiprocessing
import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from folders import ROOT, load_tool
from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmseg.registry import HOOKS, OPTIM_WRAPPERS, TRANSFORMS
from PIL import Image
from processes import exit_codes, started
from quick_mmengine import quicken

CLASSES = dict(red=3, green=5, blue=2)
IMAGES = dict(red=5, green=4, blue=11)
META_KEYS = ('source', 'img_path', 'ori_shape', 'img_shape', 'pad_shape', 'reduce_zero_label')


@TRANSFORMS.register_module()
class CountLoads:
    """Appends the image's name to a file, from whichever process loads it."""

    def __init__(self, path):
        self.path = path

    def __call__(self, results):
        with open(self.path, 'a') as file:
            file.write(f'{Path(results["img_path"]).stem}\n')
        return results


@HOOKS.register_module()
class RecordRun(Hook):
    """Writes what each iteration of each rank saw and gave to ``folder``.

    It dies, or the last rank is sent SIGTERM, where told.
    """

    def __init__(self, folder, die_at=None, stop_at=None):
        self.folder, self.die_at, self.stop_at = folder, die_at, stop_at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx == self.stop_at and get_rank() == get_world_size() - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        if batch_idx == self.die_at:
            os._exit(9)
        line = dict(
            iter=batch_idx,
            images=[Path(sample.img_path).stem for sample in data_batch['data_samples']],
            pixels=[int(image.sum()) for image in data_batch['inputs']],
            logs={name: float(value) for name, value in outputs.items()},
        )
        with open(Path(self.folder, f'rank{get_rank()}.jsonl'), 'a') as file:
            file.write(json.dumps(line) + '\n')


@OPTIM_WRAPPERS.register_module()
class GradientWriter(OptimWrapper):
    """Writes each step's gradients before they are used."""

    def __init__(self, folder, **kwargs):
        super().__init__(**kwargs)
        self.folder, self.number = folder, 0

    def step(self, **kwargs):
        if get_rank() == 0:
            found = [weight.grad for weight in self.optimizer.param_groups[0]['params']]
            torch.save(found, Path(self.folder, f'gradients{self.number}.pth'))
        self.number += 1
        super().step(**kwargs)


def write_source(root, name, seed=0):
    """Write a source in the released layout: images named after it, labels with some 255."""
    rng = np.random.default_rng(seed)
    for folder in ('images', 'gray'):
        (root / name / folder).mkdir(parents=True)
    for number in range(IMAGES[name]):
        stem = f'{name}{number:02}'
        image = rng.integers(0, 256, (44, 40, 3), np.uint8)
        label = rng.integers(0, CLASSES[name], (44, 40), np.uint8)
        label[rng.random(label.shape) < 0.3] = 255
        Image.fromarray(image).save(root / name / 'images' / f'{stem}.png')
        Image.fromarray(label).save(root / name / 'gray' / f'{stem}.png')


def write_run(root, **changes):
    """Write the sources and a config of them below ``root``; return the config's path."""
    for name in CLASSES:
        write_source(root / 'data', name)
    path = root / 'tiny.py'
    config = Config(_config(root) | changes)
    config.dump(path)
    return str(path)


def _config(root):
    norm = dict(type='GN', num_groups=2)
    crop = dict(type='RandomScaleCrop', crop_size=32)
    train = [
        dict(type='LoadWindow', crop=crop),
        dict(type='CountLoads', path=str(root / 'loads.txt')),
        dict(type='RandomFlip', prob=0.5),
        dict(type='RandomRotate90', prob=0.5),
        dict(type='OneOfColour', prob=0.5),
        dict(type='PackSegInputs', meta_keys=META_KEYS),
    ]
    load = dict(type='LoadWindow', crop=dict(type='CenterCropPad', crop_size=32))
    test = [load, dict(type='PackSegInputs', meta_keys=META_KEYS)]
    flips = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
    pack = dict(type='PackSegInputs', meta_keys=(*META_KEYS, 'flip', 'flip_direction'))
    views = [[dict(type='Resize', scale_factor=1.0)], flips, [pack]]
    test_loader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
        dataset=_dataset(root, test, test_mode=True),
    )
    evaluator = dict(type='PerSourceIoUMetric', iou_metrics=['mIoU'])
    return dict(
        default_scope='mmseg',
        custom_imports=dict(
            imports=[
                'training_runs', 'samrs_mm.datasets.segmentation.samrs',
                'samrs_mm.datasets.segmentation.multi_source',
                'samrs_mm.datasets.transforms', 'samrs_mm.datasets.samplers',
                'samrs_mm.models.decode_heads', 'samrs_mm.models.segmentors',
                'samrs_mm.evaluation.metrics', 'samrs_mm.engine.hooks', 'samrs_mm.engine.loops',
            ]
        ),
        model=dict(
            type='MultiHeadEncoderDecoder',
            data_preprocessor=dict(
                type='SegDataPreProcessor', mean=[127.0] * 3, std=[60.0] * 3, bgr_to_rgb=True,
                size_divisor=32, test_cfg=dict(size_divisor=32),
            ),
            backbone=dict(type='ResNet', depth=18, base_channels=4, norm_cfg=norm),
            decode_head=dict(
                type='UPerHead', in_channels=[4, 8, 16, 32], in_index=[0, 1, 2, 3], channels=8,
                dropout_ratio=0.0, norm_cfg=norm, loss_decode=dict(type='CrossEntropyLoss'),
            ),
            heads={name: dict(num_classes=count) for name, count in CLASSES.items()},
            test_cfg=dict(mode='whole'),
        ),
        train_dataloader=dict(
            batch_size=4,
            num_workers=0,
            sampler=dict(type='ProportionalMultiSourceSampler', batch_size=4, keyed=True),
            dataset=_dataset(root, train),
        ),
        test_dataloader=test_loader,
        val_dataloader=test_loader,
        train_cfg=dict(type='ResumableIterLoop', max_iters=20, val_interval=10),
        val_cfg=dict(type='ValLoop'),
        test_cfg=dict(type='TestLoop'),
        val_evaluator=evaluator,
        test_evaluator=evaluator,
        tta_pipeline=[load, dict(type='TestTimeAug', transforms=views)],
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
            clip_grad=dict(max_norm=5, norm_type=2),
        ),
        param_scheduler=[
            dict(type='CosineAnnealingLR', T_max=20, eta_min=1e-5, begin=0, end=20, by_epoch=False)
        ],
        default_hooks=dict(
            checkpoint=dict(
                type='CheckpointHook', by_epoch=False, interval=10, save_best='mIoU',
                rule='greater', max_keep_ckpts=2,
            ),
            logger=dict(type='LoggerHook', interval=10, log_metric_by_epoch=False),
        ),
        custom_hooks=[
            dict(type='RecordRun', folder=str(root)),
            dict(type='SourceClassCheckHook'),
            dict(type='ExportWeightsHook', path=str(root / 'sep/{config}.pth')),
            dict(type='PlainCheckpointHook'),
            dict(type='StopSignalHook'),
        ],
        log_processor=dict(by_epoch=False),
        randomness=dict(seed=3),
        work_dir=str(root / 'work'),
    )  # fmt: skip


def _dataset(root, pipeline, **options):
    return dict(
        type='MultiSourceDataset',
        datasets=[
            dict(
                type='SAMRSDataset', source=name, data_root=str(root / 'data' / name),
                metainfo=dict(
                    classes=tuple(f'{name}{i}' for i in range(count)),
                    palette=[[i, i, i] for i in range(count)],
                ),
                pipeline=pipeline, **options,
            )
            for name, count in CLASSES.items()
        ],
    )  # fmt: skip


def run_tool(name, argv, log, ranks=1, folder=ROOT):
    """Run a tool in ``folder``, in a process of its own, or in one for each rank over gloo.

    Returns:
        The exit codes, and what rank 0 printed.
    """
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    children = []
    for rank in range(ranks):
        names = dict(RANK=rank, WORLD_SIZE=ranks, LOCAL_RANK=rank, MASTER_ADDR='127.0.0.1',
                     MASTER_PORT=port)  # fmt: skip
        environment = {key: str(value) for key, value in names.items()} if ranks > 1 else {}
        flags = ['--launcher', 'pytorch'] if ranks > 1 else []
        target = f'{log}.{rank}'
        children.append(started(_child, name, [*argv, *flags], target, environment, folder))
    return exit_codes(children), Path(f'{log}.0').read_text()


def _child(name, argv, log, environment, folder):
    with open(log, 'w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment, CUDA_VISIBLE_DEVICES='-1')
    os.chdir(folder)
    multiprocessing.set_start_method(None, force=True)  # as in a new interpreter
    torch.set_num_threads(1)
    quicken(pytest.MonkeyPatch())
    code = load_tool(name).main(argv)
    if code:
        os._exit(code)


def record(root, ranks=1):
    """Return the recorded iterations of each rank."""
    return [
        [json.loads(line) for line in Path(root, f'rank{rank}.jsonl').read_text().splitlines()]
        for rank in range(ranks)
    ]


def train(root, *argv, ranks=1, config=None, expect=0):
    """Train the config of ``write_run`` by the tool; return what rank 0 printed."""
    codes, log = run_tool('train', [config or str(root / 'tiny.py'), *argv], root / 'log', ranks)
    assert codes == [expect] * ranks, log[-3000:]
    return log


def same_state(one, other):
    """Whether two checkpoints hold bit-equal weights, optimizer and schedule."""
    first, second = (torch.load(path, weights_only=True) for path in (one, other))
    leaves = [
        torch.utils._pytree.tree_leaves({key: item[key] for key in parts})
        for item in (first, second)
        for parts in [('state_dict', 'optimizer', 'param_schedulers')]
    ]
    return len(leaves[0]) == len(leaves[1]) and all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
        for a, b in zip(*leaves, strict=True)
    )


def gradients(root, number=0):
    """Return the gradients of a step that ``GradientWriter`` wrote."""
    return torch.load(root / f'gradients{number}.pth', weights_only=True)
