"""The ablation's tables and its plot, made from the records of all segmentors.

Idempotent: the same records give the same bytes, however often it is run.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from samrs_mm.annotate.ablation.scores import (
    COLUMNS,
    MEASURES,
    AblationFolder,
    Gathered,
    SegmentorRun,
    gather,
    score,
)
from samrs_mm.annotate.plan import Plan
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.boxes import MASKLESS
from samrs_mm.core.prompts import SETTINGS, PromptSetting
from samrs_mm.core.wording import counted
from samrs_mm.drawing.figure_text import verbatim
from samrs_mm.evaluation import bootstrap
from samrs_mm.evaluation.mask_ap import SIZES, average_precision
from samrs_mm.evaluation.mask_overlap import BOUNDARY_RATIO
from samrs_mm.evaluation.paper.tables import paper_tables
from samrs_mm.formats.annotated.entries import BOX_STATUSES, FILTERED, REGIONS
from samrs_mm.formats.coco import coco_categories, coco_head

FILES = JSON, CSV, MARKDOWN, PLOT, COCO, RUNS = (
    'ablation.json', 'ablation.csv', 'ablation.md', 'ablation.png', 'coco', 'runs'
)  # fmt: skip
"""What an ablation's folder holds."""

_PROMPTS = {
    'CP': 'cp', 'H-Box': 'hbox', 'H-Box-M': 'hbox-m', 'R-Box': 'rbox', 'R-Box-M': 'rbox-m',
    'RH-Box': 'rhbox', 'RH-Box-M': 'rhbox-m',
}  # fmt: skip
_STATUSES = [each for each in BOX_STATUSES if each not in (FILTERED, *REGIONS, MASKLESS)]
_TITLES = {'mIOU_I': 'mIOU_I (mean over objects)', 'mIOU_P': 'mIOU_P (over pixels)'}


def write_tables(
    plan: Plan,
    out: Path,
    runs: list[SegmentorRun],
    dataset: dict[str, Any],
    progress: Callable[[Iterable], Iterator] = iter,
) -> tuple[dict[str, Any], list[str]]:
    """Write ``ablation.{json,csv,md,png}`` and ``coco/``.

    Args:
        plan: All images of the dataset.
        out: Output folder.
        runs: One for each segmentor, in the tables' order.
        dataset: What the tables state of the dataset, as plain data.
        progress: Wraps the iterators over images.

    Returns:
        The content of ``ablation.json``, and what does not reconcile, one line each.

    Raises:
        OSError: A file can't be written; the old one is untouched.
    """
    with AblationFolder(out).lock():
        scored = [_score(run, plan, out / COCO / run.name, progress) for run in runs]
        gathered = [found for found, _ in scored]
        most = max(gathered, key=lambda found: found.images['done'])
        atomic_write(out / COCO / 'ground_truth.json', dump(_coco_file(most, plan)))
        tiles = len(plan.tiles)
        table = dict(
            ground_truth=dict(
                dataset,
                images=tiles,
                boxes_without_mask=max(each.unscored for each in gathered),
                masks_without_pixel=max(each.empty for each in gathered),
            ),
            images=max(found.scored for found in gathered),
            instances=max(_objects(found.truth['annotations']) for found in gathered),
            partial=any(found.images['done'] < tiles for found in gathered),
            boundary_ratio=BOUNDARY_RATIO,
            bootstrap=dict(over='images', resamples=bootstrap.RESAMPLES, level=bootstrap.LEVEL),
            segmentors=[
                dict(
                    name=run.name,
                    encodes=found.encodes,
                    **{state: found.images[state] for state in ('done', 'failed', 'pending')},
                    signature=run.signature,
                    settings=run.settings,
                    rows=rows,
                )
                for run, (found, rows) in zip(runs, scored, strict=True)
            ],
        )
        atomic_write(out / JSON, dump(table))
        atomic_write(out / CSV, as_csv(table).encode())
        atomic_write(out / MARKDOWN, as_markdown(table).encode())
        atomic_write(out / PLOT, draw_ablation(table))
    return table, [line for found in gathered for line in found.problems]


def _score(
    run: SegmentorRun, plan: Plan, place: Path, progress: Callable[[Iterable], Iterator]
) -> tuple[Gathered, list[dict[str, Any]]]:
    """Score a segmentor; return what its records hold, and its rows.

    Its masks are written to ``place`` as COCO results, and not held any longer.
    """
    found = gather(run, plan, progress)
    place.mkdir(parents=True, exist_ok=True)
    for name, detections in found.detections.items():
        atomic_write(place / f'{name}.json', dump(detections))
    truth = _coco_file(found, plan)
    draws = bootstrap.resamples(found.scored) if found.scored else None
    rows = []
    for name in SETTINGS:
        reason = run.reasons.get(name)
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        if reason is None:
            ap = average_precision(truth, found.detections[name])
            row = score(found.results[name], draws, ap)
        rows.append(dict(setting=name, reason=reason, **row, paper=_paper(name)))
    found.detections.clear()
    found.results.clear()
    partial = found.images['done'] < len(plan.tiles)
    meta = dict(partial=partial, settings=run.settings, signature=run.signature)
    atomic_write(run.out.meta, dump(meta))
    return found, rows


def _coco_file(found: Gathered, plan: Plan) -> dict[str, Any]:
    categories = coco_categories(plan.dataset.classes)
    return dict(found.truth, categories=categories, **coco_head('true masks of boxes'))


def _paper(setting: str) -> dict[str, float] | None:
    """Return the paper's means, in [0, 1] as all others here."""
    table = paper_tables()[1]
    if setting not in table.rows:
        return None
    return {column: round(value / 100, 4) for column, value in table.values(setting).items()}


def as_csv(table: dict[str, Any]) -> str:
    """Return ``ablation.json`` as a line for each segmentor and setting."""
    lines = [
        dict(segmentor=segmentor['name'], **_flat(row))
        for segmentor in table['segmentors']
        for row in segmentor['rows']
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _objects(annotations: list[dict]) -> int:
    return sum(not each['iscrowd'] for each in annotations)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat = {name: row[name] for name in ('setting', 'reason', 'n')}
    for name in MEASURES:
        flat[name] = row[name]
        flat[f'{name}_low'], flat[f'{name}_high'] = row[f'{name}_ci'] or (None, None)
    flat |= {name: row[name] for name in ('AP', 'AP50', 'AP75')}
    for status in _STATUSES:
        flat[status] = None if row['statuses'] is None else row['statuses'].get(status, 0)
    for size in SIZES:
        part = (row['sizes'] or {}).get(size, {})
        flat |= {f'{name}_{size}': part.get(name) for name in ('n', *MEASURES, 'AP')}
    paper = row['paper'] or {}
    return flat | {f'paper_{name}': paper.get(name) for name in ('mIOU_I', 'mIOU_P')}


def as_markdown(table: dict[str, Any]) -> str:
    """Return the paper's table 1 with this run beside it, then the details of each segmentor."""
    return '\n'.join([*_head(table), *_paper_layout(table), *_details(table)]) + '\n'


def _head(table: dict[str, Any]) -> Iterator[str]:
    truth = table['ground_truth']
    without, empty = truth['boxes_without_mask'], truth['masks_without_pixel']
    yield '# Prompt ablation'
    yield ''
    yield (
        f'{truth["type"]}: {counted(table["instances"], "object")} with a true mask, in '
        f'{table["images"]} of {truth["images"]} images'
        + (f'; {counted(without, "box has", "boxes have")} none' if without else '')
        + (f'; {counted(empty, "true mask")} without a pixel, IoU 0' if empty else '')
        + ('. **Partial: images are missing.**' if table['partial'] else '.')
    )
    yield (
        'In percent. mIOU_I is the mean over objects, mIOU_P the sum of intersections over the '
        'sum of unions (arXiv:2305.02034, equation 1); an object without a mask counts as 0.'
    )
    yield 'The paper: its table 1, SAM ViT-H on 124 test images of HRSC2016. Bold: best of a part.'
    yield ''


def _paper_layout(table: dict[str, Any]) -> Iterator[str]:
    names = [segmentor['name'] for segmentor in table['segmentors']]
    columns = [f'{name} {mean}' for name in [*names, 'paper'] for mean in ('mIOU_I', 'mIOU_P')]
    yield _line([*_PROMPTS, *columns])
    yield _line([':-:'] * len(_PROMPTS) + ['--:'] * len(columns))
    by_key = _rows(table)
    for title, settings in _parts().items():
        yield _line([f'**{title}**', *[''] * (len(_PROMPTS) + len(columns) - 1)])
        cells = []
        for setting in settings:
            rows = [by_key[name, setting] for name in names]
            means = [*rows, rows[0]['paper'] or {}]
            cells.append([mean.get(name) for mean in means for name in ('mIOU_I', 'mIOU_P')])
        best = [_best(column) for column in zip(*cells, strict=True)]
        for setting, values in zip(settings, cells, strict=True):
            marks = ['✓' if part in setting.split('+') else '' for part in _PROMPTS.values()]
            yield _line([*marks, *(_bold(v, b) for v, b in zip(values, best, strict=True))])
    yield ''


def _rows(table: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the rows by names of segmentor and setting."""
    return {
        (segmentor['name'], row['setting']): row
        for segmentor in table['segmentors']
        for row in segmentor['rows']
    }


def _parts() -> dict[str, list[str]]:
    """Return the settings under the paper's headings."""
    parts: dict[str, list[str]] = {'Point': [], 'H-Box': [], 'R-Box': [], 'RH-Box': []}
    for name in SETTINGS:
        setting = PromptSetting(name)
        kind = setting.box or setting.mask
        title = {'hbox': 'H-Box', 'rbox': 'R-Box', 'rhbox': 'RH-Box', None: 'Point'}[kind]
        parts[title].append(name)
    return parts


def _details(table: dict[str, Any]) -> Iterator[str]:
    level = f'{table["bootstrap"]["level"]:.0%}'.replace('%', ' %')
    for segmentor in table['segmentors']:
        rows = segmentor['rows']
        taken = [row for row in rows if row['reason'] is None]
        yield f'## {segmentor["name"]}'
        yield ''
        yield (
            f'{counted(segmentor["done"], "image")} done, {segmentor["failed"]} failed, '
            f'{segmentor["pending"]} pending; {segmentor["encodes"]} encoded, each once.'
        )
        yield ''
        intervals = [f'{name} [{level}]' for name in MEASURES]
        yield _line(['setting', 'objects', 'without mask', *intervals, 'AP', 'AP50', 'AP75'])
        yield _line(['---', *['--:'] * 8])
        for row in taken:
            lost = row['n'] - row['statuses'].get('kept', 0)
            measures = [f'{_percent(row[name])}{_ends(row[f"{name}_ci"])}' for name in MEASURES]
            aps = [_percent(row[name]) for name in ('AP', 'AP50', 'AP75')]
            yield _line([row['setting'], row['n'], lost, *measures, *aps])
        yield ''
        yield from _by_size(taken)
        for reason in dict.fromkeys(row['reason'] for row in rows if row['reason'] is not None):
            settings = ', '.join(row['setting'] for row in rows if row['reason'] == reason)
            yield f'- not run: {settings}: {reason}'
        yield ''


def _by_size(rows: list[dict[str, Any]]) -> Iterator[str]:
    if not rows or not rows[0]['sizes']:
        return
    sizes = {size: part['n'] for size, part in rows[0]['sizes'].items()}
    yield _line(
        ['mIOU_I / mIOU_P by size', *(f'{s} ({counted(n, "object")})' for s, n in sizes.items())]
    )
    yield _line(['---', *['--:'] * len(sizes)])
    for row in rows:
        parts = [row['sizes'][size] for size in sizes]
        yield _line(
            [row['setting'], *(f'{_percent(p["mIOU_I"])} / {_percent(p["mIOU_P"])}' for p in parts)]
        )
    yield ''


def _best(values: tuple[float | None, ...]) -> float | None:
    there = [value for value in values if value is not None]
    return max(there) if len(there) > 1 else None


def _line(cells: list[Any]) -> str:
    return '| ' + ' | '.join(str(cell) for cell in cells) + ' |'


def _percent(value: float | None) -> str:
    return '–' if value is None else f'{100 * value:.2f}'


def _bold(value: float | None, best: float | None) -> str:
    return f'**{_percent(value)}**' if value is not None and value == best else _percent(value)


def _ends(ends: list[float] | None) -> str:
    return '' if ends is None else f' [{_percent(ends[0])}, {_percent(ends[1])}]'


def draw_ablation(table: dict[str, Any]) -> bytes:
    """Return a PNG: a bar with interval for each setting and segmentor, the paper's as dots."""
    names = [segmentor['name'] for segmentor in table['segmentors']]
    rows = _rows(table)
    height = 1.5 + 0.28 * len(SETTINGS) * max(1, 0.6 * len(names))
    figure = Figure(figsize=(10, height), layout='constrained')
    axes = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(SETTINGS))
    thick = 0.8 / len(names)
    for axis, (measure, title) in zip(axes, _TITLES.items(), strict=True):
        for number, name in enumerate(names):
            shift = (number - (len(names) - 1) / 2) * thick
            part = [rows[name, setting] for setting in SETTINGS]
            values = [_value(row[measure]) for row in part]
            ends = [row[f'{measure}_ci'] or (None, None) for row in part]
            low, high = np.array([[_value(a), _value(b)] for a, b in ends]).T
            # The interval of a skewed statistic need not hold the estimate itself.
            errors = np.clip([values - low, high - values], 0, None)
            axis.barh(
                places + shift, values, 0.9 * thick, xerr=errors, label=verbatim(name), capsize=2,
                alpha=0.75, error_kw=dict(linewidth=0.8),
            )  # fmt: skip
            for place, row in zip(places + shift, part, strict=True):
                if row['reason'] is not None:
                    axis.text(1, place, 'not run', color='0.5', fontsize=6, va='center')
        paper = [(row['paper'] or {}).get(measure) for row in (rows[names[0], s] for s in SETTINGS)]
        label = "the paper's (SAM ViT-H, HRSC2016)"
        axis.plot([_value(v) for v in paper], places, 'k.', markersize=5, label=label)
        axis.set(title=title, xlim=(0, 100), xlabel='%', yticks=places)
        axis.grid(axis='x', alpha=0.3)
    axes[0].set_yticklabels(SETTINGS)
    axes[0].set_ylim(len(SETTINGS) - 0.4, -0.6)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=2, frameon=False)
    picture = io.BytesIO()
    # Without metadata the same numbers give the same bytes.
    figure.savefig(picture, format='png', dpi=110, metadata=dict(Software=None))
    return picture.getvalue()


def _value(value: float | None) -> float:
    return np.nan if value is None else 100 * value
