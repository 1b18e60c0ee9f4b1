"""Which of an annotated folder's masks a person should look at, from its ledger in one pass."""

import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samrs_mm.core.shares import equal_shares
from samrs_mm.formats.annotated.doubt import doubt
from samrs_mm.formats.annotated.entries import EMPTY, FILTERED, HAND_STATUSES, KEPT
from samrs_mm.formats.annotated.ledger import LedgerRow, read_ledger

FRACTIONS = ('score', 'stability', 'fill', 'coverage', 'leakage')
"""Measures that lie in [0, 1]; each gets a histogram."""

BINS = 20
PROMPTED = (KEPT, FILTERED, EMPTY)
"""Statuses of boxes that were prompted."""

_WORST_PART = 2 / 3


def most_doubtful(
    rows: Iterable[LedgerRow],
    count: int,
    stems: Collection[str],
    statuses: Collection[str],
    categories: Collection[str] | None = None,
) -> dict[str, set[str]]:
    """Return the masks most in doubt that nobody decided on: box ids by image.

    Args:
        rows: The ledger.
        count: How many at most.
        stems: Images to choose from.
        statuses: Statuses to choose from.
        categories: Classes to choose from; None takes all.
    """
    heap: list = []
    for number, row in enumerate(rows):
        if row.tile not in stems or row.status not in statuses or row.edited or not row.area:
            continue
        if categories is None or row.category in categories:
            _keep(heap, count, (doubt(row), -number, row))
    chosen: dict[str, set[str]] = {}
    for row in _rows(heap):
        chosen.setdefault(row.tile, set()).add(row.box_id)
    return chosen


@dataclass
class Selection:
    """What the report shows.

    Args:
        statuses: Ledger rows by status.
        classes: For each class name, prompted boxes by status.
        histograms: For each of ``FRACTIONS``, masks in ``BINS`` equal bins over [0, 1].
        means: For each of ``FRACTIONS``, the mean, or None without a value.
        worst: Masks of each class that get a picture, most doubtful first.
        random: Further masks that get a picture, drawn from each class.
        rows: The most doubtful prompted boxes of all classes, most doubtful first.
        masks: Number of prompted boxes.
    """

    statuses: Counter = field(default_factory=Counter)
    classes: dict[str, Counter] = field(default_factory=dict)
    histograms: dict[str, list[int]] = field(default_factory=dict)
    means: dict[str, float | None] = field(default_factory=dict)
    worst: list[LedgerRow] = field(default_factory=list)
    random: list[LedgerRow] = field(default_factory=list)
    rows: list[LedgerRow] = field(default_factory=list)
    masks: int = 0


def _keep(heap: list, size: int, item: tuple[Any, int, LedgerRow]) -> None:
    """Add a key, a unique number and a row to the ``size`` largest of them."""
    heapq.heappush(heap, item)
    if len(heap) > size:
        heapq.heappop(heap)


def _rows(heap: list) -> list[LedgerRow]:
    return [row for _, _, row in sorted(heap, reverse=True)]


def select(
    path: Path,
    classes: Iterable[str],
    pictures: int,
    rows: int,
    progress: Callable[[Iterable], Iterator] = iter,
    boxes: Mapping[str, Collection[str]] | None = None,
) -> Selection:
    """Read a ledger once and choose what to show; memory follows what is chosen, not the ledger.

    Each class that occurs gets equally many of at most ``pictures`` pictures; what small classes
    leave over goes to the others. Two thirds of a class's pictures are its worst masks, the rest is
    drawn: those with the largest hash of their place, so the same ledger gives the same choice. At
    most ``rows`` boxes are listed. Where ``boxes`` names some, by image, all of them have a picture
    and no others are counted or listed.

    Raises:
        RefusedError: No ledger there, or not one of this format.
    """
    if boxes is not None:
        pictures = sum(map(len, boxes.values()))
    found = Selection(classes={name: Counter() for name in classes})
    worst: dict[str, list] = {name: [] for name in found.classes}
    drawn: dict[str, list] = {name: [] for name in found.classes}
    listed: list = []
    sums = {name: [0] * BINS for name in FRACTIONS}
    totals = dict.fromkeys(FRACTIONS, 0.0)
    for number, mask in enumerate(progress(read_ledger(path))):
        found.statuses[mask.status] += 1
        if mask.status not in (*PROMPTED, *HAND_STATUSES):
            continue
        if boxes is not None and mask.box_id not in boxes.get(mask.tile, ()):
            continue
        found.masks += 1
        found.classes.setdefault(mask.category, Counter())[mask.status] += 1
        _keep(listed, rows, (doubt(mask), -number, mask))
        for name in FRACTIONS:
            value = getattr(mask, name)
            if value is not None:
                sums[name][min(max(int(value * BINS), 0), BINS - 1)] += 1
                totals[name] += value
        if mask.area and mask.category in worst:
            _keep(worst[mask.category], pictures, (doubt(mask), -number, mask))
            _keep(drawn[mask.category], pictures, (_lot(mask), -number, mask))
    found.histograms, found.rows = sums, _rows(listed)
    counts = {name: sum(bins) for name, bins in sums.items()}
    found.means = {name: totals[name] / n if n else None for name, n in counts.items()}
    for name, share in equal_shares(
        {name: len(heap) for name, heap in worst.items()}, pictures
    ).items():
        first = _rows(worst[name])[: math.ceil(share * _WORST_PART)]
        found.worst += first
        others = [mask for mask in _rows(drawn[name]) if mask not in first]
        found.random += others[: share - len(first)]
    found.worst.sort(key=lambda mask: -doubt(mask))
    return found


def _lot(mask: LedgerRow) -> bytes:
    return hashlib.sha1(f'{mask.tile}\n{mask.box_id}'.encode()).digest()
