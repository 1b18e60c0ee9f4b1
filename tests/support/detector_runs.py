"""Two iterations of a config of detection on a small annotated folder, by the tool."""

import json
import math
from pathlib import Path

from instance_folders import write_instances
from training_runs import run_tool

from samrs_mm.core.classes import SOTA_CLASSES

SIDE = 128
SPLITS = ('train', 'val', 'test')
SMALL = (
    'train_dataloader.batch_size=2',
    *(f'{split}_dataloader.num_workers=0' for split in SPLITS),
    *(f'{split}_dataloader.persistent_workers=False' for split in SPLITS),
    'model.backbone.init_cfg=None',
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'default_hooks.logger.interval=1',
    'default_hooks.checkpoint.save_last=False',
    'default_hooks.checkpoint.save_best=None',
)


def write_data(root: Path) -> None:
    """Write an annotated folder where the configs look for SOTA."""
    write_instances(root / 'data/samrs/sota', classes=SOTA_CLASSES)


def small(config) -> list[str]:
    """Return the options by which a config of detection takes small images."""
    options = list(SMALL)
    for split in SPLITS:
        for number, step in enumerate(config[f'{split}_dataloader']['dataset']['pipeline']):
            key = f'{split}_dataloader.dataset.pipeline.{number}'
            options += [f'{key}.{name}=({SIDE},{SIDE})' for name in ('scale', 'crop_size')
                        if name in step]  # fmt: skip
    return options


def train_two_iterations(path: Path, config, folder: Path, *more: str) -> list[dict]:
    """Train a config with ``folder`` as working directory; return what was logged."""
    work = folder / 'work' / path.stem
    argv = [str(path), '--work-dir', str(work), '--cfg-options', *small(config), *more]
    (code,), said = run_tool('train', argv, folder / f'said_{path.stem}', folder=folder)
    assert code == 0, said[-3000:]
    [scalars] = work.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    losses = [line['loss'] for line in lines if 'loss' in line]
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
    return lines
