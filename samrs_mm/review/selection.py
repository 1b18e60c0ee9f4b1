"""Which of an annotated folder's masks a person should look at, from its ledger in one pass."""

import csv
import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.annotated import ledger
from samrs_mm.formats.annotated.record import EMPTY, FILTERED, KEPT

FRACTIONS = ('score', 'stability', 'fill', 'coverage', 'leakage')
"""Measures that lie in [0, 1]; each gets a histogram."""

BINS = 20
PROMPTED = (KEPT, FILTERED, EMPTY)
"""Statuses of boxes that were prompted."""

_WORST_PART = 2 / 3


@dataclass(frozen=True, slots=True)
class LedgerMask:
    """A prompted box, as the ledger has it; measures are None where it has none.

    Args:
        stem: Name of the image.
        box_id: Place of the box in the labels.
        category: Class name.
        status: One of ``PROMPTED``.
        reason: Why it is not kept; empty for kept masks.
        score: Predicted IoU.
        stability: Stability score.
        fill: Fraction of the prompt box that the mask covers.
        coverage: Fraction of the R-Box that the mask covers.
        leakage: Fraction of the mask outside the R-Box.
        components: 8-connected parts.
        at_border: Whether it touches the image's border.
        area: Pixels.
    """

    stem: str
    box_id: str
    category: str
    status: str
    reason: str
    score: float | None
    stability: float | None
    fill: float | None
    coverage: float | None
    leakage: float | None
    components: int | None
    at_border: bool | None
    area: int

    @property
    def doubt(self) -> float:
        """How little the mask can be trusted, from 0 to 1: what "worst" means in the report.

        The mean of 1 - score, 1 - stability, 1 - coverage, leakage and 1 - 1 / components, of
        those that are known; 1 for a box that got no mask.
        """
        doubts = [
            1 - value for value in (self.score, self.stability, self.coverage) if value is not None
        ]
        if self.leakage is not None:
            doubts.append(self.leakage)
        if self.components:
            doubts.append(1 - 1 / self.components)
        if self.status == EMPTY or not doubts:
            return 1.0
        return round(min(max(sum(doubts) / len(doubts), 0), 1), 4)


@dataclass
class Selection:
    """What the report shows.

    Args:
        statuses: Ledger rows by status.
        classes: For each class name, prompted boxes by status.
        histograms: For each of ``FRACTIONS``, masks in ``BINS`` equal bins over [0, 1].
        means: For each of ``FRACTIONS``, the mean, or None without a value.
        worst: Masks of each class that get a picture, most doubtful first.
        random: Further masks that get a picture, drawn evenly from each class.
        rows: The most doubtful prompted boxes of all classes, most doubtful first.
        masks: Number of prompted boxes.
    """

    statuses: Counter = field(default_factory=Counter)
    classes: dict[str, Counter] = field(default_factory=dict)
    histograms: dict[str, list[int]] = field(default_factory=dict)
    means: dict[str, float | None] = field(default_factory=dict)
    worst: list[LedgerMask] = field(default_factory=list)
    random: list[LedgerMask] = field(default_factory=list)
    rows: list[LedgerMask] = field(default_factory=list)
    masks: int = 0


class _Largest:
    """Keeps the items of the largest keys, the earlier of equals."""

    def __init__(self, size: int):
        self.size, self._heap = size, []

    def add(self, key: Any, number: int, item: LedgerMask) -> None:
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, (key, -number, item))
        elif self.size and (key, -number) > self._heap[0][:2]:
            heapq.heapreplace(self._heap, (key, -number, item))

    def items(self) -> list[LedgerMask]:
        return [item for _, _, item in sorted(self._heap, key=lambda e: e[:2], reverse=True)]


def select(
    path: Path,
    classes: Iterable[str],
    pictures: int,
    rows: int,
    progress: Callable[[Iterable], Iterator] = iter,
) -> Selection:
    """Read a ledger once and choose what to show; memory follows what is chosen, not the ledger.

    Each class gets equally many pictures, two thirds of them for its worst masks. The random
    ones are those with the smallest hash of their place, so the same ledger gives the same choice.

    Args:
        path: ``ledger.csv``.
        classes: Class names, in their order.
        pictures: Most masks that get a picture; one per class at least takes part.
        rows: Most boxes listed.
        progress: Wraps the iterator over ledger rows, to show progress.

    Raises:
        RefusedError: No ledger there, or not one of this format.
    """
    found = Selection(classes={name: Counter() for name in classes})
    most = max(1, pictures // max(len(found.classes), 1))
    worst = {name: _Largest(math.ceil(most * _WORST_PART)) for name in found.classes}
    drawn = {name: _Largest(most) for name in found.classes}
    listed, sums = _Largest(rows), {name: [0] * BINS for name in FRACTIONS}
    totals = dict.fromkeys(FRACTIONS, 0.0)
    for number, mask in enumerate(progress(_prompted(path, found.statuses))):
        found.masks += 1
        found.classes.setdefault(mask.category, Counter())[mask.status] += 1
        listed.add(mask.doubt, number, mask)
        for name in FRACTIONS:
            value = getattr(mask, name)
            if value is not None:
                sums[name][min(max(int(value * BINS), 0), BINS - 1)] += 1
                totals[name] += value
        if mask.area and mask.category in worst:
            worst[mask.category].add(mask.doubt, number, mask)
            drawn[mask.category].add(_lot(mask), number, mask)
    found.histograms, found.rows = sums, listed.items()
    counts = {name: sum(bins) for name, bins in sums.items()}
    found.means = {name: totals[name] / n if n else None for name, n in counts.items()}
    for name in worst:
        first = worst[name].items()
        found.worst += first
        others = [mask for mask in drawn[name].items() if mask not in first]
        found.random += others[: most - len(first)]
    found.worst = sorted(found.worst, key=lambda mask: -mask.doubt)[:pictures]
    found.random = found.random[: pictures - len(found.worst)]
    return found


def _lot(mask: LedgerMask) -> bytes:
    return hashlib.sha1(f'{mask.stem}\n{mask.box_id}'.encode()).digest()


def _prompted(path: Path, statuses: Counter) -> Iterator[LedgerMask]:
    """Yield the prompted boxes of a ledger, counting all rows by status on the way."""
    try:
        with open(path, newline='', encoding='utf-8') as file:
            table = csv.DictReader(file)
            if not set(ledger.COLUMNS) <= set(table.fieldnames or ()):
                raise RefusedError(
                    f'{path}: not a ledger with {", ".join(ledger.COLUMNS[-5:])}; annotate anew '
                    'with this version'
                )
            for row in table:
                statuses[row['status']] += 1
                if row['status'] in PROMPTED:
                    yield _read(row)
    except FileNotFoundError as error:
        raise RefusedError(
            f'{path}: no such file; give an annotated folder, or write it with '
            'sam_annotate.py --finalise'
        ) from error


def _read(row: dict[str, str]) -> LedgerMask:
    def number(key: str, kind: type) -> Any:
        return kind(row[key]) if row[key] else None

    return LedgerMask(
        stem=row['tile'],
        box_id=row['box_id'],
        category=row['category'],
        status=row['status'],
        reason=row['reason'],
        **{name: number(name, float) for name in FRACTIONS},
        components=number('components', int),
        at_border=row['at_border'] == 'True' if row['at_border'] else None,
        area=int(row['area']),
    )
