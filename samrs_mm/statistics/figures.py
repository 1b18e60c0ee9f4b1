"""Figures of a dataset's statistics, after figures 5 and 6 of arXiv:2305.02034."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from samrs_mm.core.atomic import open_atomic
from samrs_mm.core.classes import abbreviations
from samrs_mm.core.wording import plural
from samrs_mm.drawing.figure_text import verbatim
from samrs_mm.statistics.dataset_stats import SMALL, DatasetStats, box_fractions

_BLUE, _LIGHT, _DARK, _RED = '#3572a5', '#a9c4de', '#1d3f5c', '#c0392b'
_INCHES_PER_CLASS = 0.36
_DPI = 150
_CUT = 1.5


def per_class(stats: DatasetStats) -> Figure:
    """Draw pixels and instances of each class as bars, on logarithmic axes (figure 5)."""
    figure = _wide(stats, 6.5)
    for axes, counts, what in zip(
        figure.subplots(2, 1),
        (stats.counts.pixels, stats.count_instances()),
        ('pixels', 'instances'),
        strict=True,
    ):
        axes.bar(range(len(counts)), counts, color=_BLUE, width=0.75)
        bottom, top = 0.8, max(10, counts.max(initial=1)) ** 1.25
        axes.set_ylim(bottom, top)
        axes.set_yscale('log', nonpositive='clip')
        for place, count in enumerate(counts):
            # a bit above the bar; a logarithmic axis has no place for 0
            height = max(count, bottom) * (top / bottom) ** 0.02
            axes.text(place, height, short(count), rotation=90, fontsize=8, ha='center')
        axes.set_ylabel(what)
        _name_classes(axes, stats)
    name = verbatim(stats.name)
    figure.suptitle(f'{name}: pixels of the {stats.pixels_of}, and instances', fontsize=11)
    return figure


def mask_sizes(stats: DatasetStats) -> Figure:
    """Draw how many instances have masks of which size (figure 6)."""
    figure = Figure((7, 4), layout='constrained')
    axes = figure.subplots()
    edges, counts = stats.size_edges(), stats.size_histogram().sum(0)
    colours = [_RED if right <= SMALL * 1.001 else _BLUE for right in edges[1:]]
    axes.bar(edges[:-1], counts, np.diff(edges), align='edge', color=colours, edgecolor='white')
    axes.set_xscale('log')
    axes.yaxis.set_major_formatter(lambda value, _: short(value))
    small = np.count_nonzero(stats.instances['area'] < SMALL) / max(1, len(stats.instances))
    what = f'mask size in pixels (red: below {SMALL}, {small:.1%})'
    axes.set(xlabel=what, ylabel='instances')
    _plain(axes)
    axes.set_title(
        f'{verbatim(stats.name)}: {len(stats.instances):,} '
        f'{plural(len(stats.instances), "instance")}',
        fontsize=11,
    )
    return figure


def mask_sizes_by_class(stats: DatasetStats) -> Figure:
    """Draw the sizes of each class as a violin of log bins, with quartiles and median."""
    figure = _wide(stats, 4.5)
    axes = figure.subplots()
    edges = stats.size_edges()
    for label, counts in enumerate(stats.size_histogram()):
        areas = stats.of_class(label)['area']
        if not len(areas):
            continue
        half = 0.42 * np.append(counts, counts[-1]) / counts.max()
        axes.fill_betweenx(
            edges, label - half, label + half, step='post', color=_LIGHT, linewidth=0
        )
        low, middle, high = np.quantile(areas, (0.25, 0.5, 0.75))
        axes.vlines(label, low, high, color=_DARK, linewidth=3)
        axes.plot(label, middle, 'o', color='white', markeredgecolor=_DARK, markersize=4)
    axes.set(yscale='log', ylim=(0.8, edges[-1] * 1.3), ylabel='mask size in pixels')
    _name_classes(axes, stats)
    axes.set_xlabel('width: share of the class; bar: quartiles; dot: median', fontsize=9)
    figure.suptitle(f'{verbatim(stats.name)}: mask sizes', fontsize=11)
    return figure


def per_image(stats: DatasetStats) -> Figure:
    """Draw instances per image, and mask size / box size."""
    figure = Figure((10, 4), layout='constrained')
    left, right = figure.subplots(1, 2)
    masks = stats.counts.images['masks']
    # 0, 1, 2-3, 4-7, ...
    groups = np.frexp(masks)[1]
    counts = np.bincount(groups, minlength=2)
    names = ['0', '1', *(f'{2**k}–{2 ** (k + 1) - 1}' for k in range(1, len(counts) - 1))]
    bars = left.bar(range(len(counts)), counts, color=_BLUE)
    left.bar_label(bars, [short(count) for count in counts], fontsize=8, padding=2)
    left.margins(y=0.1)
    left.set_xticks(range(len(counts)), names, rotation=45)
    left.set(xlabel='instances in an image', ylabel='images')
    fractions = box_fractions(stats.instances)
    right.hist(np.minimum(fractions, _CUT), 60, range=(0, _CUT), color=_BLUE)
    right.axvline(1, color=_RED, linewidth=1)
    what = f'mask size / size of its upright box (last bin: {_CUT} and more)'
    right.set(xlabel=what, ylabel='instances')
    for axes in (left, right):
        axes.yaxis.set_major_formatter(lambda value, _: short(value))
        _plain(axes)
    figure.suptitle(verbatim(stats.name), fontsize=11)
    return figure


FIGURES = (per_class, mask_sizes, mask_sizes_by_class, per_image)
"""What ``write_figures`` draws; files are called after the functions."""


def write_figures(stats: DatasetStats, out: Path, formats: Sequence[str]) -> list[Path]:
    """Write all figures as png, pdf or both; return the files. Equal numbers give equal files."""
    written = []
    for draw in FIGURES if formats else ():
        figure = draw(stats)
        for form in formats:
            path = out / f'{draw.__name__}.{form}'
            metadata = {'CreationDate': None} if form == 'pdf' else {}
            with open_atomic(path) as file:
                figure.savefig(file, format=form, dpi=_DPI, metadata=metadata)
            written.append(path)
    return written


def short(count: float) -> str:
    """Return a count in up to four characters or so.

    Example:
        >>> [short(count) for count in (0, 999, 1234, 56789, 12_300_000)]
        ['0', '999', '1.2k', '57k', '12M']
    """
    for unit, name in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if count >= unit:
            value = count / unit
            return f'{value:.1f}{name}' if value < 9.95 else f'{value:.0f}{name}'
    return f'{count:.0f}'


def _wide(stats: DatasetStats, height: float) -> Figure:
    width = max(6.0, 1.2 + _INCHES_PER_CLASS * len(stats.classes))
    return Figure((width, height), layout='constrained')


def _name_classes(axes: Axes, stats: DatasetStats) -> None:
    names = list(map(verbatim, abbreviations(stats.classes)))
    upright = max(map(len, names), default=0) > 3
    axes.set_xticks(range(len(names)), names, rotation=90 if upright else 0, fontsize=9)
    axes.set_xlim(-0.7, len(names) - 0.3)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(axis='y', color='0.9')
    axes.set_axisbelow(True)
