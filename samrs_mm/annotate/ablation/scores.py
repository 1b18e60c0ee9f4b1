"""What a prompt setting's masks are worth: the paper's two means, boundary IoU, by object size."""

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from samrs_mm.evaluation.bootstrap import interval
from samrs_mm.evaluation.mask_ap import SIZES

MEASURES = ('mIOU_I', 'mIOU_P', 'boundary_IoU')
"""Measures that are ratios of sums over objects, so they have confidence intervals."""

COLUMNS = (
    'n', 'statuses', *(f'{name}{end}' for name in MEASURES for end in ('', '_ci')),
    'AP', 'AP50', 'AP75', 'sizes',
)  # fmt: skip
"""Keys of a setting's row."""

_COUNTS = ('intersection', 'union', 'boundary_intersection', 'boundary_union')


@dataclass
class SettingCounts:
    """Pixel counts of one setting's masks, object by object.

    Args:
        images: Position of the object's image among the scored ones.
        truth_areas: Pixels of the true masks.
        counts: ``(intersection, union, boundary intersection, boundary union)`` of each.
        statuses: Objects by what became of their prompts; without a mask they count as IoU 0.
    """

    images: list[int] = field(default_factory=list)
    truth_areas: list[int] = field(default_factory=list)
    counts: list[tuple[int, ...]] = field(default_factory=list)
    statuses: Counter = field(default_factory=Counter)

    def add(self, image: int, truth_area: int, result: dict) -> None:
        """Add an object: its image, and the setting's entry in its record."""
        self.images.append(image)
        self.truth_areas.append(truth_area)
        self.counts.append(tuple(result[name] for name in _COUNTS))
        self.statuses[result['status']] += 1

    def __len__(self) -> int:
        return len(self.images)


def size_of(area: int) -> str:
    """Return the name in ``SIZES`` of a true mask's area in pixels, lower end included."""
    return next(name for name, (_, high) in SIZES.items() if area < high)


def score(
    measured: SettingCounts, draws: np.ndarray | None, ap: dict[str, float]
) -> dict[str, object]:
    """Return a setting's row: every measure in [0, 1], None where there is nothing to measure.

    Source of mIOU_I and mIOU_P: Wang et al. 2023, arXiv:2305.02034, equation 1.

    Args:
        measured: The setting's counts.
        draws: Resamples of the images, see ``bootstrap.resamples``; None without images.
        ap: What ``mask_ap.average_precision`` returned.

    Returns:
        ``COLUMNS``: ``n`` is the number of objects, ``boundary_IoU`` a mean over them, ``_ci``
        lower and upper end, or None; ``sizes`` has the same measures without intervals, by size
        of object.
    """
    counts = np.array(measured.counts, np.float64).reshape(-1, len(_COUNTS))
    images = np.array(measured.images, int)
    row = dict(n=len(measured), statuses=dict(sorted(measured.statuses.items())))
    for name, (top, bottom) in _ratios(counts).items():
        row[name] = _ratio(top.sum(), bottom.sum())
        row[f'{name}_ci'] = None if draws is None else _interval(draws, images, top, bottom)
    row |= {name: _number(ap[name]) for name in ('AP', 'AP50', 'AP75')}
    sizes = np.array([size_of(area) for area in measured.truth_areas])
    row['sizes'] = {}
    for size in SIZES:
        part = counts[sizes == size] if len(sizes) else counts
        means = {name: _ratio(t.sum(), b.sum()) for name, (t, b) in _ratios(part).items()}
        row['sizes'][size] = dict(n=len(part), **means, AP=_number(ap[size]))
    return row


def _ratios(counts: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return what is summed above and below the line of each measure, ``(N,)`` each."""
    both, either, both_edges, either_edges = counts.T
    one = np.ones(len(counts))
    return dict(
        zip(MEASURES, ((both / either, one), (both, either), (both_edges / either_edges, one)),
            strict=True)
    )  # fmt: skip


def _interval(
    draws: np.ndarray, images: np.ndarray, top: np.ndarray, bottom: np.ndarray
) -> list[float] | None:
    sums = (np.bincount(images, values, minlength=draws.shape[1]) for values in (top, bottom))
    ends = interval(draws, *sums)
    return None if ends is None else [_number(end) for end in ends]


def _ratio(top: float, bottom: float) -> float | None:
    return _number(top / bottom) if bottom else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)
