"""An ablation as bars with confidence intervals."""

import io
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from samrs_mm.core.prompts import SETTINGS
from samrs_mm.drawing.figure_text import verbatim

_TITLES = {'mIOU_I': 'mIOU_I (mean over objects)', 'mIOU_P': 'mIOU_P (over pixels)'}


def draw_ablation(table: dict[str, Any]) -> bytes:
    """Return a PNG: a bar for each setting and segmentor, with its interval, the paper's as dots.

    Args:
        table: Content of ``ablation.json``.
    """
    names = [segmentor['name'] for segmentor in table['segmentors']]
    rows = {
        (segmentor['name'], row['setting']): row
        for segmentor in table['segmentors']
        for row in segmentor['rows']
    }
    height = 1.5 + 0.28 * len(SETTINGS) * max(1, 0.6 * len(names))
    figure = Figure(figsize=(10, height), layout='constrained')
    axes = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(SETTINGS))
    thick = 0.8 / len(names)
    for axis, (measure, title) in zip(axes, _TITLES.items(), strict=True):
        for number, name in enumerate(names):
            shift = (number - (len(names) - 1) / 2) * thick
            part = [rows[name, setting] for setting in SETTINGS]
            values = [_percent(row[measure]) for row in part]
            ends = [row[f'{measure}_ci'] or (None, None) for row in part]
            ends = np.array([[_percent(low), _percent(high)] for low, high in ends]).T
            # The interval of a skewed statistic need not hold the estimate itself.
            errors = np.clip([values - ends[0], ends[1] - values], 0, None)
            axis.barh(
                places + shift, values, 0.9 * thick, xerr=errors, label=verbatim(name), capsize=2,
                alpha=0.75, error_kw=dict(linewidth=0.8),
            )  # fmt: skip
            for place, row in zip(places + shift, part, strict=True):
                if row['reason'] is not None:
                    axis.text(1, place, 'not run', color='0.5', fontsize=6, va='center')
        paper = [(row['paper'] or {}).get(measure) for row in (rows[names[0], s] for s in SETTINGS)]
        label = "the paper's (SAM ViT-H, HRSC2016)"
        axis.plot([_percent(v) for v in paper], places, 'k.', markersize=5, label=label)
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


def _percent(value: float | None) -> float:
    return np.nan if value is None else 100 * value
