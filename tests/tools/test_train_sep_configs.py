"""Every config of configs/sep trains as it stands, but for the weights it begins with.

The largest, UPerNet on ViT-Adapter with 167 million weights, takes 4.4 GB.
"""

import json
import math
import os
import subprocess
import sys

import pytest
import torch
from folders import ROOT
from samrs_folders import write_annotated

from samrs_mm.core.classes import FAST_CLASSES, SIOR_CLASSES, SOTA_CLASSES

LEAVES = sorted(path.stem for path in (ROOT / 'configs/sep').glob('*.py'))
CLASSES = dict(sota=SOTA_CLASSES, sior=SIOR_CLASSES, fast=FAST_CLASSES)
STEMS = ('00001', '00002', '00003', '00004')
SMALL = (
    *(f'train_dataloader.dataset.datasets.{i}.pipeline.0.crop.crop_size=128' for i in range(3)),
    *(f'val_dataloader.dataset.datasets.{i}.pipeline.0.crop.crop_size=128' for i in range(3)),
    'train_dataloader.batch_size=4',
    'train_dataloader.sampler.batch_size=4',
    'val_dataloader.batch_size=2',
    *(f'{split}_dataloader.num_workers=0' for split in ('train', 'val')),
    *(f'{split}_dataloader.persistent_workers=False' for split in ('train', 'val')),
    'model.backbone.init_cfg=None',
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'default_hooks.logger.interval=1',
    # 2 GB each; the exported weights tell as much here
    'default_hooks.checkpoint.save_last=False',
    'default_hooks.checkpoint.save_best=None',
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The sources, where the configs look for them."""
    root = tmp_path_factory.mktemp('sep')
    for source, classes in CLASSES.items():
        data = root / 'data/samrs' / source
        data.mkdir(parents=True)
        write_annotated(data, STEMS, classes)
        (data / 'train.txt').write_text('\n'.join(STEMS))
        (data / 'val.txt').write_text(STEMS[0])
    return root


@pytest.mark.slow
@pytest.mark.parametrize('leaf', LEAVES)
def test_trains_two_iterations(folder, leaf):
    work = folder / 'work' / leaf
    env = os.environ | dict(PYTHONPATH=str(ROOT), CUDA_VISIBLE_DEVICES='-1')
    done = subprocess.run(
        [
            sys.executable, ROOT / 'tools/train.py', ROOT / f'configs/sep/{leaf}.py',
            '--work-dir', work, '--cfg-options', *SMALL,
        ],
        cwd=folder, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    [scalars] = work.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    losses = [line['loss'] for line in lines if 'loss' in line]
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
    [scores] = [line for line in lines if 'mIoU' in line]
    assert {f'{source}/mIoU' for source in CLASSES} <= scores.keys()
    [path] = (folder / 'pretrain/sep').glob('*')
    exported = torch.load(path, weights_only=True)
    path.unlink()
    assert exported['meta']['config'] == leaf
    assert exported['meta']['iter'] == 2
    assert all(weight.isfinite().all() for weight in exported['state_dict'].values())
