"""The numbers of an audit: shares above IoUs with intervals, by groups, and calibration.

Masks weigh as many masks of the folder as they stand for, so that shares are the folder's and not
the sample's.

Source of the shares: Kirillov et al. 2023, Segment Anything, section 5 (94 % of 50,000 masks above
0.9 IoU with their corrections, 97 % above 0.75).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from samrs_mm.evaluation.audit.judging import Judged
from samrs_mm.evaluation.calibration import rank_correlation

ABOVE = (0.9, 0.75)
"""IoUs whose shares are told: those of SAM's paper."""
Z = 1.959964
"""Of a normal distribution, 95 % lie within so many standard deviations."""
PARTS = 5
SMALL, LARGE = 32**2, 96**2
"""COCO's limits of small, medium and large masks, in pixels."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share in [0, 1] and its 95 % interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Group:
    """What is known of some masks.

    Args:
        masks: How many.
        weight: How many masks of the folder they stand for.
        above: For each of ``ABOVE``, the share of masks with a larger IoU.
        mean_iou: Mean IoU of masks and their corrections.
        rejected: How many were rejected.
        reclassed: How many got another class.
        timed: Of how many the time is known.
        seconds: Mean time of those, in seconds; None without any.
    """

    masks: int
    weight: float
    above: tuple[Share, ...]
    mean_iou: float
    rejected: int
    reclassed: int
    timed: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Masks whose predicted quality is alike: ``said`` and ``true`` are means in [0, 1]."""

    low: float
    high: float
    masks: int
    said: float
    true: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far a predicted quality is the true IoU.

    Args:
        masks: How many have one.
        bins: Fifths of the masks, lowest prediction first.
        error: Mean distance of prediction and IoU over the bins (expected calibration error).
        order: Spearman's rank correlation of both; None where one of them has no order.
    """

    masks: int
    bins: tuple[Bin, ...]
    error: float
    order: float | None


@dataclass(frozen=True, slots=True)
class Audit:
    """The numbers of an audit; groups by name. ``score`` is None where masks have none."""

    all: Group
    by_class: dict[str, Group]
    by_size: dict[str, Group]
    by_doubt: dict[str, Group]
    score: Calibration | None
    doubt: Calibration

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain data; shares under ``above_0.9`` and the like."""
        return _plain(asdict(self))


def audit(judged: Sequence[Judged]) -> Audit:
    """Return the numbers of judged masks, of one or more."""
    scored = [each for each in judged if each.mask.score is not None]
    return Audit(
        all=group(judged),
        by_class=_groups(judged, lambda each: each.mask.category),
        by_size=_groups(judged, _size, ('small', 'medium', 'large')),
        by_doubt={_span(part): group(part) for part in _parts(judged, lambda x: x.mask.doubt)},
        score=calibration(scored, lambda each: each.mask.score or 0.0) if scored else None,
        doubt=calibration(judged, lambda each: 1 - each.mask.doubt),
    )


def wilson(share: float, count: float) -> Share:
    """Return a share of a sample with its 95 % score interval.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    Args:
        share: In [0, 1].
        count: Size of the sample, more than 0.
    """
    room = Z**2 / count
    middle = (share + room / 2) / (1 + room)
    half = math.sqrt(share * (1 - share) * room + room**2 / 4) / (1 + room)
    return Share(share, max(middle - half, 0.0), min(middle + half, 1.0))


def group(judged: Sequence[Judged]) -> Group:
    """Return what is known of some judged masks, of one or more.

    Of unequal weights the intervals are those of the smaller sample that is worth as much (Kish
    1965: the square of the weights' sum over the sum of their squares).
    """
    ious, weights = _ious(judged), _weights(judged)
    worth = float(weights.sum() ** 2 / np.square(weights).sum())
    timed = [each.seconds for each in judged if each.seconds is not None]
    return Group(
        masks=len(judged),
        weight=float(weights.sum()),
        above=tuple(wilson(float(np.average(ious > at, weights=weights)), worth) for at in ABOVE),
        mean_iou=float(np.average(ious, weights=weights)),
        rejected=sum(each.rejected for each in judged),
        reclassed=sum(each.reclassed for each in judged),
        timed=len(timed),
        seconds=float(np.mean(timed)) if timed else None,
    )


def calibration(judged: Sequence[Judged], said: Callable[[Judged], float]) -> Calibration:
    """Return how far what is ``said`` of masks, of one or more, is their IoU."""
    bins, errors, worth = [], [], []
    for part in _parts(judged, said):
        weights = _weights(part)
        words = np.array([said(each) for each in part])
        means = [float(np.average(x, weights=weights)) for x in (words, _ious(part))]
        bins.append(Bin(float(words.min()), float(words.max()), len(part), *means))
        errors.append(abs(means[0] - means[1]))
        worth.append(weights.sum())
    order = rank_correlation(np.array([said(each) for each in judged]), _ious(judged))
    return Calibration(
        len(judged), tuple(bins), float(np.average(errors, weights=worth)),
        None if math.isnan(order) else order,
    )  # fmt: skip


def _parts(judged: Sequence[Judged], said: Callable[[Judged], float]) -> list[list[Judged]]:
    """Return fifths of the masks, lowest first; equal values are never parted."""
    ordered = sorted(judged, key=said)
    values = [said(each) for each in ordered]
    wanted = [round(len(ordered) * part / PARTS) for part in range(1, PARTS)]
    cuts = sorted({values.index(values[at]) for at in wanted if at < len(values)} - {0})
    return [ordered[a:b] for a, b in zip([0, *cuts], [*cuts, len(ordered)], strict=True)]


def _span(part: Sequence[Judged]) -> str:
    doubts = [each.mask.doubt for each in part]
    return f'{min(doubts):.4f} to {max(doubts):.4f}'


def _groups(
    judged: Iterable[Judged], name: Callable[[Judged], str], order: Sequence[str] | None = None
) -> dict[str, Group]:
    found: dict[str, list[Judged]] = {}
    for each in judged:
        found.setdefault(name(each), []).append(each)
    return {key: group(found[key]) for key in order or sorted(found) if key in found}


def _size(each: Judged) -> str:
    return 'small' if each.mask.area < SMALL else 'medium' if each.mask.area < LARGE else 'large'


def _ious(judged: Sequence[Judged]) -> np.ndarray:
    return np.array([each.iou for each in judged])


def _weights(judged: Sequence[Judged]) -> np.ndarray:
    return np.array([each.weight for each in judged])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        above = value.get('above')
        if above is not None:
            shares = {f'above_{at:g}': share for at, share in zip(ABOVE, above, strict=True)}
            value = {key: each for key, each in value.items() if key != 'above'} | shares
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
