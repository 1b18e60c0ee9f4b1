"""Two iterations of a config of pre-training on small sources, by the tool."""

import json
import math
from pathlib import Path

import torch
from samrs_folders import write_annotated
from torch import Tensor
from training_runs import run_tool

from samrs_mm.core.classes import FAST_CLASSES, SIOR_CLASSES, SOTA_CLASSES

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
    # 2 GB each; the exported weights show as much here
    'default_hooks.checkpoint.save_last=False',
    'default_hooks.checkpoint.save_best=None',
)


def write_sources(root: Path) -> None:
    """Write the sources below a folder, where the configs look for them."""
    for source, classes in CLASSES.items():
        data = root / 'data/samrs' / source
        data.mkdir(parents=True)
        write_annotated(data, STEMS, classes)
        (data / 'train.txt').write_text('\n'.join(STEMS))
        (data / 'val.txt').write_text(STEMS[0])


def train_two_iterations(config: Path, folder: Path) -> tuple[list[float], dict[str, Tensor]]:
    """Train a config with ``folder`` as working directory; return losses and exported weights."""
    work = folder / 'work' / config.stem
    argv = [str(config), '--work-dir', str(work), '--cfg-options', *SMALL]
    (code,), said = run_tool('train', argv, folder / 'said', folder=folder)
    assert code == 0, said[-3000:]
    [scalars] = work.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    losses = [line['loss'] for line in lines if 'loss' in line]
    assert all(map(math.isfinite, losses))
    [scores] = [line for line in lines if 'mIoU' in line]
    assert {f'{source}/mIoU' for source in CLASSES} <= scores.keys()
    [path] = (folder / 'pretrain/sep').glob('*')
    exported = torch.load(path, weights_only=True)
    path.unlink()
    assert (exported['meta']['config'], exported['meta']['iter']) == (config.stem, 2)
    assert all(weight.isfinite().all() for weight in exported['state_dict'].values())
    return losses, exported['state_dict']
