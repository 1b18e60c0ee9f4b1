"""Two iterations and an evaluation of detectors' and multi-task leaves at full size, on a CPU.

Every leaf of configs/instance, configs/rotated and configs/mtp, or those given, is trained as it is
but for one image a batch (one of each source for several), on drawn scenes with known masks, from
files of random weights, by ``tools/train.py`` in a process of its own. After two iterations nothing
can be found; the table says that each runs, how long, and in how much memory. It needs mmcv's
compiled ops and, for the largest, 12 GB. The same command goes on where it stopped.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

import torch
from drawn_runs import BOXES, ROOT, parser_of, put_known_masks, run_inside
from mmengine.config import Config
from mmseg.registry import MODELS

from samrs_mm.cli import run_command
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.classes import FAST_CLASSES, SIOR_CLASSES, SOTA_CLASSES
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.wording import counted
from samrs_mm.drawn.scenes import DOMAINS
from samrs_mm.engine.run_config import load_run_config

ROOMS = ('instance', 'rotated', 'mtp')
SOURCES = dict(sota=('a', SOTA_CLASSES), sior=('b', SIOR_CLASSES), fast=('a', FAST_CLASSES))
NO_SCORE = ('data_time', 'time', 'step')
OPTIONS = [
    'train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'default_hooks.logger.interval=1',
    'default_hooks.checkpoint.save_last=False', 'default_hooks.checkpoint.save_best=None',
    *(f'{part}_dataloader.{key}' for part in ('train', 'val')
      for key in ('num_workers=0', 'persistent_workers=False')),
]  # fmt: skip


def draw(out: Path, scenes: int, size: int) -> None:
    """Draw the scenes of three sources and write their known masks where configs look for them."""
    for seed, (source, (domain, classes)) in enumerate(SOURCES.items()):
        raw, folder = out / 'scenes' / source, out / 'data/samrs' / source
        if (folder / 'val.txt').is_file():
            continue
        drawn = sorted({*DOMAINS[domain].categories.values()})
        # heads have as many outputs as the source has classes
        names = [*drawn, *(name for name in classes if name not in drawn)][: len(classes)]
        draw_it = 'dataset_converters/make_demo_data', raw, '--domain', domain
        run_inside(*draw_it, '--scenes', scenes, '--seed', seed, '--size', size)
        run_inside(
            'sam_annotate', BOXES, '--data-root', raw, '--out', folder, '--workers', 0,
            '--cfg-options', 'model.type=BoxFillSegmentor', f'dataset.classes=[{",".join(names)}]',
        )  # fmt: skip
        put_known_masks(raw, folder)
        run_inside('dataset_converters/make_splits', folder, '--val', 0.2)


def put_weights(cfg: Config, out: Path) -> None:
    """Write random weights where the backbone of a config begins, if no file is there."""
    init = cfg.model.backbone.init_cfg
    path = out / init.checkpoint
    if path.is_file():
        return
    body = MODELS.build(dict(cfg.model.backbone, init_cfg=None))
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = init.get('prefix', '')
    part = path.with_suffix('.part')
    torch.save({f'{prefix}{key}': value for key, value in body.state_dict().items()}, part)
    part.replace(path)


def measure(command: Sequence[str], folder: Path, log: Path) -> dict[str, float]:
    """Run a command in a folder; return its CPU seconds and its peak memory in GB.

    The system counts no less memory than this program has, about 1 GB.

    Raises:
        SamrsError: It failed.
    """
    environment = os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    with log.open('w') as file:
        child = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file)
        try:
            _, status, used = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SamrsError(f'exit code {child.returncode}; see {log}')
    return dict(cpu=used.ru_utime + used.ru_stime, memory=used.ru_maxrss / 2**20)


def run_leaf(leaf: Path, out: Path) -> dict:
    """Train a leaf for two iterations and evaluate it; return what was measured.

    Raises:
        SamrsError: It failed, or its log lacks a loss or an evaluation.
    """
    cfg = load_run_config(str(leaf), None, None, 'none')
    put_weights(cfg, out)
    several = 'datasets' in cfg.train_dataloader.dataset
    batch = len(cfg.train_dataloader.dataset.datasets) if several else 1
    work, log = out / 'work' / leaf.stem, out / 'logs' / f'{leaf.stem}.txt'
    rmtree(work, ignore_errors=True)
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(leaf), '--work-dir', str(work)]
    options = '--cfg-options', *OPTIONS, f'train_dataloader.batch_size={batch}'
    measured = measure([*command, *options], out, log)
    lines = [
        json.loads(line)
        for path in work.glob('*/vis_data/scalars.json')
        for line in path.read_text().splitlines()
    ]
    losses = [line['loss'] for line in lines if 'loss' in line]
    evaluations = [line for line in lines if 'loss' not in line]
    if (len(losses), len(evaluations)) != (2, 1):
        raise SamrsError(f'two losses and an evaluation are expected; see {log}')
    scores = {key: value for key, value in evaluations[0].items() if key not in NO_SCORE}
    return dict(measured, batch=batch, losses=losses, scores=scores)


def row(name: str, found: dict) -> str:
    """Return a leaf's line of the table."""
    if 'failed' in found:
        return f'| `{name}` | | | | {found["failed"]} | |'
    losses = ', '.join(f'{loss:.2f}' for loss in found['losses'])
    # mmdet's metric gives no score where nothing at all was found
    scores = counted(len(found['scores']), 'score') if found['scores'] else 'nothing found'
    return (
        f'| `{name}` | {found["batch"]} | {found["cpu"]:.0f} | {found["memory"]:.1f} GB '
        f'| {losses} | {scores} |'
    )


def run(args: argparse.Namespace) -> None:
    """Run the leaves that have no result yet, and print the table.

    Raises:
        SamrsError: One failed.
    """
    out = args.out.absolute()
    draw(out, args.scenes, args.size)
    leaves = [path.resolve() for path in args.configs] or [
        path for room in ROOMS for path in sorted((ROOT / 'configs' / room).glob('*.py'))
    ]
    record = out / f'results-{args.scenes}x{args.size}.json'
    results = json.loads(record.read_bytes()) if record.is_file() else {}
    print('| config | images | CPU s | peak memory | losses | evaluated |\n' + '| --- ' * 6 + '|')
    failed = []
    for leaf in leaves:
        name = f'{leaf.parent.name}/{leaf.stem}'
        if 'losses' not in results.get(name, {}):
            try:
                results[name] = run_leaf(leaf, out)
            except SamrsError as error:
                results[name] = dict(failed=str(error))
                failed.append(name)
            atomic_write(record, dump(results))
        print(row(name, results[name]), flush=True)
    if failed:
        raise SamrsError(f'failed: {", ".join(failed)}')


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit code."""
    parser = parser_of(__doc__, 'two_iterations')
    add = parser.add_argument
    add('configs', nargs='*', type=Path, help='leaves (default: all of three rooms)')
    add('--scenes', type=int, default=5, help='of each source (default: %(default)s)')
    add('--size', type=int, default=512, help='of a scene, in pixels (default: %(default)s)')
    return run_command(lambda: run(parser.parse_args(argv)), 'the same command goes on')


if __name__ == '__main__':
    sys.exit(main())
