"""Fine-tuning with and without segmentation pre-training (SEP), on drawn scenes, on a CPU.

Domain A's scenes are annotated by our own tools (GrabCut, filled boxes) and pre-train a small
network; it is fine-tuned on all, 5, 3 and 1 % of domain B's tiles, whose classes, textures and
light are others and whose labels are exact, and scored on test tiles of other scenes. Both arms
have the same network, schedule, tiles and order of samples; these were fixed before the first run
and nothing is chosen by a score. A seed has its own SEP run, subsets, initial weights and order.

The same command goes on where it stopped; a run is finished when its metrics.json is there.
"""

import csv
import itertools
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drawn_runs import CONFIGS, Place, at_once, open_study, parse_study, spread, write_tiles
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from mmengine.config import Config

from samrs_mm.cli import run_command
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.datasets.segmentation.subsets import subset_name

CONFIG = 'study_finetune.py'
ARMS = dict(scratch='without SEP', sep='with SEP')
SIDES = dict(a=256, b=384)
TILE = 128
METRICS = ('mIoU', 'mF1')
PROVES = (
    "This is a proof that the pipeline works on drawn scenes, not evidence for the paper's claim."
)


@dataclass(frozen=True)
class Plan:
    """How large the study is.

    Args:
        sep_scenes: Scenes of domain A for each source.
        train_scenes: Scenes of domain B that the training tiles are cut from, nine each.
        test_scenes: The same for the test tiles.
        sep_iterations: Length of pre-training.
        iterations: Length of fine-tuning, the same for every subset.
        seeds: Number of repetitions.
        fractions: Shares of the training tiles.
    """

    sep_scenes: int = 60
    train_scenes: int = 91
    test_scenes: int = 35
    sep_iterations: int = 600
    iterations: int = 300
    seeds: int = 3
    fractions: tuple[float, ...] = (1.0, 0.05, 0.03, 0.01)


QUICK = Plan(6, 7, 7, sep_iterations=2, iterations=2, seeds=1, fractions=(1.0, 0.1))


@dataclass(frozen=True)
class Run:
    """A fine-tuning run: a seed, a share of the tiles, and an arm."""

    seed: int
    fraction: float
    arm: str

    @property
    def folder(self) -> Path:
        """Its work dir, relative to the study's folder."""
        return Path(f'runs/seed{self.seed}/{100 * self.fraction:g}pct-{self.arm}')


def prepare(place: Place, plan: Plan) -> None:
    """Draw and annotate the two sources of domain A; draw, tile and list domain B."""
    place.draw_sources(plan.sep_scenes, SIDES['a'])
    classes = Config.fromfile(CONFIGS / CONFIG, import_custom_modules=False).metainfo['classes']
    parts = dict(train=plan.train_scenes, test=plan.test_scenes)
    for seed, (part, count) in enumerate(parts.items()):
        folder = place.folder / 'data' / part
        if not (folder / 'tiles.json').exists():
            scenes = place.draw(part, 'b', count, seed, SIDES['b'])
            tiles = write_tiles(scenes, folder, classes, TILE)
            atomic_write(folder / 'tiles.json', dump(dict(tiles=tiles)))
    few = [fraction for fraction in plan.fractions if fraction < 1]
    for seed in range(plan.seeds):
        out = place.folder / 'data/train' / f'seed{seed}'
        if not (out / subset_name(few[-1])).exists():
            options = '--seed', seed, '--out', out, '--fraction', *few
            tool = 'dataset_converters/make_splits'
            place.tool(tool, 'data/train', *options, log=f'subsets-{seed}')


def finetune(place: Place, plan: Plan, run: Run) -> str:
    """Fine-tune and score on the test tiles; return what was done."""
    more = []
    if run.fraction < 1:
        subset = f'seed{run.seed}/{subset_name(run.fraction)}'
        more.append(f'train_dataloader.dataset.ann_file={subset}')
    if run.arm == 'sep':
        more.append(f'load_from=runs/seed{run.seed}/sep/sep.pth')
    return place.finetune(CONFIG, run.folder, run.seed, plan.iterations, *more)


def all_runs(plan: Plan) -> list[Run]:
    """Return the fine-tuning runs, seed by seed."""
    return [
        Run(seed, fraction, arm)
        for seed in range(plan.seeds)
        for fraction in plan.fractions
        for arm in ARMS
    ]


def finished(folder: Path, plan: Plan) -> dict[Run, dict[str, float]]:
    """Return the scores, in percent, of the runs that are finished."""
    paths = {run: folder / run.folder / 'metrics.json' for run in all_runs(plan)}
    return {run: json.loads(path.read_text()) for run, path in paths.items() if path.exists()}


def paired(scores: dict[Run, dict], fraction: float, metric: str) -> list[tuple[float, float]]:
    """Return, by seed, the scores without and with SEP; seeds that lack one are left out."""
    seeds = sorted({run.seed for run in scores})
    pairs = [[scores.get(Run(seed, fraction, arm)) for arm in ARMS] for seed in seeds]
    return [(a[metric], b[metric]) for a, b in pairs if a is not None and b is not None]


def table(scores: dict[Run, dict], plan: Plan, tiles: dict[str, int]) -> str:
    """Return the Markdown table and what it says."""
    header = ['training tiles', 'seeds']
    for metric in METRICS:
        header += [*(f'{metric} {arm}' for arm in ARMS.values()), 'difference']
    lines = [f'| {" | ".join(header)} |', '| --- ' * len(header) + '|']
    for fraction in plan.fractions:
        count = round(fraction * tiles['train'])
        cells = [f'{count} ({100 * fraction:g} %)']
        for metric in METRICS:
            pairs = paired(scores, fraction, metric)
            cells += [str(len(pairs))] if metric == METRICS[0] else []
            columns = [*zip(*pairs, strict=True)] or [(), ()]
            cells += [spread(column) if column else '' for column in columns]
            cells.append(spread((b - a for a, b in pairs), '+') if pairs else '')
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join([*lines, '', *says(scores, plan), '', *about(plan, tiles), ''])


def says(scores: dict[Run, dict], plan: Plan) -> Iterator[str]:
    """Yield a sentence per subset on the difference of mIoU."""
    for fraction in plan.fractions:
        gains = [b - a for a, b in paired(scores, fraction, 'mIoU')]
        if not gains:
            continue
        mean, better = statistics.mean(gains), sum(gain > 0 for gain in gains)
        side = 'above' if mean > 0 else 'below'
        within = len(gains) > 1 and abs(mean) <= statistics.stdev(gains)
        yield (
            f'With {100 * fraction:g} % of the tiles the network with SEP is {abs(mean):.1f} '
            f'points of mIoU {side} the one without, better for {better} of {len(gains)} seeds'
            + (': no more than the differences spread.' if within else '.')
        )
    yield PROVES


def about(plan: Plan, tiles: dict[str, int]) -> Iterator[str]:
    """Yield how the scores were made."""
    yield (
        'Mean ± sample standard deviation over seeds, in percent, over ten classes (background is '
        f'one); the difference is taken seed by seed. {tiles["test"]} test tiles of {TILE} px from '
        f'{plan.test_scenes} scenes of their own. UPerNet + ResNet-18 from random weights, batch '
        f"8, crop 96 px, AdamW at the paper's 1e-3, {plan.iterations} iterations whatever the "
        f'subset, last checkpoint. SEP: {plan.sep_iterations} iterations on 2 x {plan.sep_scenes} '
        'scenes, masks by GrabCut and filled boxes. Nothing was tuned on a score. A seed has its '
        'own SEP run, subsets, initial weights and order of samples; scenes and test tiles are the '
        'same. SEP adds its own training to that arm, and a longer schedule may close a gap.'
    )


def plot(scores: dict[Run, dict], plan: Plan, tiles: dict[str, int], path: Path) -> None:
    """Draw every run as a point and the means of both arms as lines."""
    figure = Figure(figsize=(9, 3.8), layout='constrained')
    counts = [round(fraction * tiles['train']) for fraction in plan.fractions]
    for axes, metric in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
        for arm, colour, nudge in zip(ARMS, ('tab:gray', 'tab:blue'), (0.97, 1.03), strict=True):
            points = {
                count * nudge: [scores[run][metric] for run in scores
                                if (run.fraction, run.arm) == (fraction, arm)]
                for count, fraction in zip(counts, plan.fractions, strict=True)
            }  # fmt: skip
            points = {x: values for x, values in points.items() if values}
            means = [statistics.mean(values) for values in points.values()]
            axes.plot([*points], means, color=colour, label=ARMS[arm])
            for x, values in points.items():
                axes.scatter([x] * len(values), values, color=colour, s=14)
        axes.set_xscale('log')
        axes.set_xticks(counts, [f'{count}' for count in counts])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel='training tiles', ylabel=f'{metric} on the test tiles, %')
        axes.grid(alpha=0.3)
    axes.legend(loc='lower right')
    figure.savefig(path, dpi=120)


def report(folder: Path, plan: Plan) -> str:
    """Write results.csv, table.md and plot.png of the finished runs; return the table."""
    tiles = {part: json.loads((folder / 'data' / part / 'tiles.json').read_text())['tiles']
             for part in ('train', 'test')}  # fmt: skip
    scores = finished(folder, plan)
    with (folder / 'results.csv').open('w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['seed', 'fraction', 'tiles', 'arm', *METRICS])
        for run, found in scores.items():
            count = round(run.fraction * tiles['train'])
            values = (found[metric] for metric in METRICS)
            writer.writerow([run.seed, run.fraction, count, run.arm, *values])
    text = table(scores, plan, tiles)
    atomic_write(folder / 'table.md', text.encode())
    plot(scores, plan, tiles, folder / 'plot.png')
    return text


def study(folder: Path, plan: Plan, jobs: int, threads: int) -> None:
    """Do what isn't done yet, several runs at once, and report.

    Raises:
        RefusedError: The folder holds a study of another size.
    """
    start = time.perf_counter()
    place = open_study(folder, plan, threads)
    prepare(place, plan)
    print(f'data ready after {time.perf_counter() - start:.0f} s', flush=True)
    left = [run for run in all_runs(plan) if run not in finished(folder, plan)]
    later = [(finetune, place, plan, run) for run in left if run.arm == 'sep']
    seeds = sorted({call[-1].seed for call in later})
    first = [(place.pretrain, 'study_sep.py', 'sep', seed, plan.sep_iterations) for seed in seeds]
    first += [(finetune, place, plan, run) for run in left if run.arm != 'sep']
    total = len(first) + len(later)
    for number, done in enumerate(itertools.chain(at_once(jobs, first), at_once(jobs, later)), 1):
        print(f'{number}/{total} {done}, {time.perf_counter() - start:.0f} s', flush=True)
    print(f'\n{report(folder, plan)}\nwritten to {folder}')


def main(argv: list[str] | None = None) -> int:
    """Run the study and return its exit code."""
    args, plan = parse_study(__doc__, 'sep_study', argv, Plan(), QUICK)
    return run_command(lambda: study(args.out, plan, args.jobs, args.threads))


if __name__ == '__main__':
    sys.exit(main())
