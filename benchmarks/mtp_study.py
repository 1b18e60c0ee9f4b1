"""Networks from scratch, after SEP and after multi-task pre-training (MTP), on drawn scenes.

Domain A's scenes are annotated by our own tools (GrabCut, filled boxes). A small network is
pre-trained on their label maps (SEP), or on label maps, masks and R-Boxes at once (MTP), for as
many iterations on the same crops. Then it is fine-tuned on a few of domain B's scenes, whose
classes, textures and light are others and whose labels are exact: to label maps (UPerNet) and to
masks (RTMDet-Ins), and scored on other scenes. Nothing is chosen by a score. A seed has its own
pre-trainings, initial weights and order of samples.

It needs mmcv's compiled ops. The same command goes on where it stopped; a run is finished when its
metrics.json is there.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drawn_runs import (
    CONFIGS,
    Place,
    at_once,
    open_study,
    parse_study,
    put_known_masks,
    spread,
    write_tiles,
)
from mmengine.config import Config

from samrs_mm.cli import run_command
from samrs_mm.core.atomic import atomic_write

ARMS = dict(
    scratch='random weights',
    sep='SEP',
    mtp='MTP',
    mtp_whole='MTP, neck and heads of a pre-trained detector, too',
)
PRETRAINED = dict(sep='study_sep_narrow.py', mtp='study_mtp.py')
FINETUNED = dict(semantic='study_finetune_narrow.py', instance='study_instances.py')
SIDE, TILE = 256, 128
METRICS = {
    'mIoU': ('semantic', 'mIoU', 1),
    'box AP50': ('instance', 'coco/bbox_mAP_50', 100),
    'mask AP50': ('instance', 'coco/segm_mAP_50', 100),
    'mask AP': ('instance', 'coco/segm_mAP', 100),
}
"""Of each column: the task, the key in metrics.json, and what makes it percent."""


@dataclass(frozen=True)
class Plan:
    """How large the study is.

    Args:
        sources: Scenes of domain A for each source.
        train: Scenes of domain B to fine-tune on.
        test: Scenes of domain B to score.
        pretraining: Iterations of SEP and of MTP.
        iterations: Of fine-tuning.
        seeds: Number of repetitions.
    """

    sources: int = 30
    train: int = 42
    test: int = 70
    pretraining: int = 150
    iterations: int = 60
    seeds: int = 3


QUICK = Plan(6, 7, 7, pretraining=2, iterations=2, seeds=1)


@dataclass(frozen=True)
class Run:
    """A fine-tuning run: a seed, a task, and an arm."""

    seed: int
    task: str
    arm: str

    @property
    def folder(self) -> Path:
        """Its work dir, relative to the study's folder."""
        return Path(f'runs/seed{self.seed}/{self.task}-{self.arm}')

    def options(self) -> list[str]:
        """Return the options that give it the weights of its arm."""
        if self.arm == 'scratch':
            return []
        arm = self.arm.removesuffix('_whole')
        path = f'runs/seed{self.seed}/{arm}/{arm}.pth'
        if self.task == 'semantic':
            return [f'load_from={path}']
        given = {'model.backbone': 'backbone.'}
        if arm != self.arm:
            given['model'] = 'detectors.grabcut_instance.'
        return [
            option
            for part, prefix in given.items()
            for key, value in dict(type='Pretrained', checkpoint=path, prefix=prefix).items()
            for option in [f'{part}.init_cfg.{key}={value}']
        ]


def all_runs(plan: Plan) -> list[Run]:
    """Return the fine-tuning runs, seed by seed."""
    return [
        Run(seed, task, arm)
        for seed in range(plan.seeds)
        for task in FINETUNED
        for arm in ARMS
        if (task, arm) != ('semantic', 'mtp_whole')
    ]


def prepare(place: Place, plan: Plan) -> None:
    """Draw and annotate the sources of domain A; draw domain B, with exact labels and masks."""
    place.draw_sources(plan.sources, SIDE)
    classes = Config.fromfile(
        CONFIGS / FINETUNED['semantic'], import_custom_modules=False
    ).metainfo['classes']
    for seed, (part, count) in enumerate(dict(train=plan.train, test=plan.test).items()):
        done = place.folder / 'data' / part / 'done'
        if not done.exists():
            scenes = place.draw(part, 'b', count, seed, TILE)
            write_tiles(scenes, done.parent, classes, TILE)
            put_known_masks(
                scenes, place.annotate(f'{part}_masks', scenes, 'BoxFillSegmentor', 'b')
            )
            done.touch()


def finished(folder: Path, plan: Plan) -> dict[Run, dict[str, float]]:
    """Return the ``metrics.json`` of the runs that are finished."""
    paths = {run: folder / run.folder / 'metrics.json' for run in all_runs(plan)}
    return {run: json.loads(path.read_text()) for run, path in paths.items() if path.exists()}


def by_seed(found: dict[Run, dict], arm: str, metric: str) -> dict[int, float]:
    """Return the scores of an arm in percent; CocoMetric gives none where nothing is found."""
    task, key, factor = METRICS[metric]
    return {
        run.seed: factor * scores.get(key, 0.0)
        for run, scores in found.items()
        if (run.task, run.arm) == (task, arm)
    }


def table(found: dict[Run, dict], plan: Plan) -> str:
    """Return the Markdown table of scores, and of differences from random weights by seed."""
    header = ['weights', *(name for metric in METRICS for name in (metric, 'difference'))]
    lines = [f'| {" | ".join(header)} |', '| --- ' * len(header) + '|']
    for arm, title in ARMS.items():
        cells = [title]
        for metric in METRICS:
            scores, base = by_seed(found, arm, metric), by_seed(found, 'scratch', metric)
            both = [scores[seed] - base[seed] for seed in scores if seed in base]
            cells.append(spread(scores.values()) if scores else '')
            cells.append(spread(both, '+') if both and arm != 'scratch' else '')
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join([*lines, '', *about(found, plan), ''])


def about(found: dict[Run, dict], plan: Plan) -> Iterator[str]:
    """Yield how the scores were made."""
    yield (
        f'{len(found)} of {len(all_runs(plan))} fine-tunings, {plan.seeds} seeds; mean ± sample '
        'standard deviation in percent, differences seed by seed. ResNet-18 of half the width, '
        f'batch 8, AdamW at 1e-3. Pre-training: {plan.pretraining} iterations on 2 x '
        f'{plan.sources} scenes of domain A, crops of 96 px. Fine-tuning: {plan.iterations} '
        f'iterations on {plan.train} scenes of domain B of {TILE} px, last checkpoint; {plan.test} '
        'scenes are scored. Drawn scenes prove that the pipeline works, not what it does for real '
        'images.'
    )


def study(folder: Path, plan: Plan, jobs: int, threads: int) -> None:
    """Do what isn't done yet, seed by seed, several runs at once, and report."""
    start = time.perf_counter()
    place = open_study(folder, plan, threads)
    prepare(place, plan)
    print(f'data ready after {time.perf_counter() - start:.0f} s', flush=True)
    for seed in range(plan.seeds):
        left = [
            run for run in all_runs(plan) if run not in finished(folder, plan) and run.seed == seed
        ]
        needed = [arm for arm in PRETRAINED if any(run.arm.startswith(arm) for run in left)]
        first = [(place.pretrain, PRETRAINED[arm], arm, seed, plan.pretraining) for arm in needed]
        later = [
            (place.finetune, FINETUNED[run.task], run.folder, seed, plan.iterations, *run.options())
            for run in left
        ]
        for calls in (first, later):
            for done in at_once(jobs, calls):
                print(f'{done}, {time.perf_counter() - start:.0f} s', flush=True)
    text = table(finished(folder, plan), plan)
    atomic_write(folder / 'table.md', text.encode())
    print(f'\n{text}\nwritten to {folder}')


def main(argv: list[str] | None = None) -> int:
    """Run the study and return its exit code."""
    args, plan = parse_study(__doc__, 'mtp_study', argv, Plan(), QUICK)
    return run_command(lambda: study(args.out, plan, args.jobs, args.threads))


if __name__ == '__main__':
    sys.exit(main())
