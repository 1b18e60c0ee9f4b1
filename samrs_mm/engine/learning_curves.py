"""Learning curves of a run, resumed or not, from what mmengine logged."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from samrs_mm.drawing.figure_text import verbatim

NAME = 'curves.png'
_SCORES = ('mIoU', 'mFscore', 'mAcc', 'aAcc', 'mAP', 'AP50')
Series = list[tuple[int, float]]


def read_scalars(work_dir: Path) -> dict[str, Series]:
    """Return ``{name: [(iteration, value), ...]}`` of all that was logged in a work dir.

    Each start of a run has a folder there. A later one counts from its first iteration on, so what
    was trained again after a kill, or begun anew, is there once. One that begins with a validation
    has not trained that iteration again.
    """
    runs = [_read(path) for path in sorted(work_dir.glob('*/vis_data/scalars.json'))]
    kept: list[dict[str, Any]] = []
    for run in filter(None, runs):
        first = min(line['step'] for line in run)
        trained = min((line['step'] for line in run if 'lr' in line), default=first + 1)
        kept = [
            line
            for line in kept
            if line['step'] < first or ('lr' in line and first == line['step'] < trained)
        ] + run
    series: dict[str, Series] = {}
    for line in kept:
        for name, value in line.items():
            if name not in ('step', 'iter', 'epoch') and isinstance(value, int | float):
                series.setdefault(name, []).append((line['step'], value))
    return series


def _read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file that have a step; half a line of a killed run is left out."""
    lines = []
    for text in path.read_bytes().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get('step'), int):
            lines.append(line)
    return lines


def panels(series: Mapping[str, Series]) -> dict[str, dict[str, Series]]:
    """Return what is drawn together: ``{title: {label: series}}``.

    The loss, the scores of validations, the learning rate, images a second; then for each source
    its losses, its accuracy on training batches and its scores.
    """
    found = {
        'loss': _named(series, lambda name: name == 'loss'),
        'validation': _named(series, lambda name: name in _SCORES or name.endswith('_mAP')),
        'learning rate': _named(series, lambda name: name == 'lr'),
        'images a second': _named(series, lambda name: name == 'images_s'),
    }
    sources = _sources(series)
    for source in sources:
        found[f'{source}: loss'] = _named(
            series,
            lambda n, s=source: (
                n.startswith(f'loss_{s}_') or (n.startswith(f'{s}.') and '.loss' in n)
            ),
        )
        found[f'{source}: percent'] = _named(
            series, lambda n, s=source: n == f'acc_{s}' or _score_of(n) == s
        )
    if not sources:
        found['loss terms'] = _named(series, lambda name: 'loss' in name and name != 'loss')
        found['percent'] = _named(series, lambda name: 'acc' in name.rpartition('.')[2])
    return {title: each for title, each in found.items() if each}


def _named(series: Mapping[str, Series], wanted: Any) -> dict[str, Series]:
    return {name: each for name, each in series.items() if wanted(name)}


def _score_of(name: str) -> str | None:
    """Return the source of a score such as ``'sota/mIoU'``, else None."""
    source, slash, score = name.partition('/')
    return source if slash and score in _SCORES else None


def _sources(series: Iterable[str]) -> list[str]:
    """Return the sources in the order in which they were logged."""
    of_batches = (name.removeprefix('acc_') for name in series if name.startswith('acc_'))
    of_scores = (_score_of(name) for name in series)
    return [source for source in dict.fromkeys([*of_batches, *of_scores]) if source]


def draw(series: Mapping[str, Series], path: Path, title: str) -> bool:
    """Draw the panels as a PNG, three a row; return whether there was anything to draw."""
    from matplotlib.figure import Figure

    drawn = panels(series)
    if not drawn:
        return False
    rows = -(-len(drawn) // 3)
    figure = Figure(figsize=(13, 3.4 * rows), layout='constrained')
    figure.suptitle(verbatim(title))
    axes = figure.subplots(rows, 3, squeeze=False).flat
    for axis, (name, curves) in zip(axes, drawn.items(), strict=False):
        for label, points in curves.items():
            steps, values = zip(*sorted(points), strict=True)
            marker = 'o' if len(steps) < 25 else None
            axis.plot(steps, values, label=verbatim(label), linewidth=1.2, marker=marker, ms=3)
        axis.set_title(verbatim(name), fontsize=10)
        axis.set_xlabel('iteration', fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
        if len(curves) > 1:
            axis.legend(fontsize=7)
    for axis in list(figure.axes)[len(drawn) :]:
        axis.set_visible(False)
    figure.savefig(path, dpi=110)
    return True
