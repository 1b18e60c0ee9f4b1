"""An ablation as CSV, and as Markdown in the layout of the paper's table 1."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from samrs_mm.annotate.ablation.scores import MEASURES
from samrs_mm.core.prompts import SETTINGS, PromptSetting
from samrs_mm.evaluation.mask_ap import SIZES
from samrs_mm.formats.annotated.records import BOX_STATUSES

_PROMPTS = {
    'CP': 'cp', 'H-Box': 'hbox', 'H-Box-M': 'hbox-m', 'R-Box': 'rbox', 'R-Box-M': 'rbox-m',
    'RH-Box': 'rhbox', 'RH-Box-M': 'rhbox-m',
}  # fmt: skip
_STATUSES = [status for status in BOX_STATUSES if status != 'filtered']


def as_csv(table: dict[str, Any]) -> str:
    """Return a line for each segmentor and setting; empty cells where nothing was measured.

    Args:
        table: Content of ``ablation.json``.
    """
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
    """Return the paper's table 1 with this run beside it, then the details of each segmentor.

    Args:
        table: Content of ``ablation.json``.
    """
    return '\n'.join([*_head(table), *_paper_layout(table), *_details(table)]) + '\n'


def _head(table: dict[str, Any]) -> Iterator[str]:
    truth = table['ground_truth']
    yield '# Prompt ablation'
    yield ''
    yield (
        f'{truth["type"]}: {table["instances"]} objects with a true mask, in '
        f'{table["images"]} of {truth["images"]} images'
        + (
            f'; {truth["boxes_without_mask"]} boxes have none'
            if truth['boxes_without_mask']
            else ''
        )
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
    by_key = {
        (segmentor['name'], row['setting']): row
        for segmentor in table['segmentors']
        for row in segmentor['rows']
    }
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
            f'{segmentor["done"]} images done, {segmentor["failed"]} failed, '
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
    yield _line(['mIOU_I / mIOU_P by size', *(f'{s} ({n} objects)' for s, n in sizes.items())])
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
