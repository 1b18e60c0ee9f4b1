"""A seeded random sample of the masks that a machine made, from each class."""

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.shares import equal_shares
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.doubt import doubt
from samrs_mm.formats.annotated.entries import ADDED, KEPT, BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.ledger import LedgerRow, read_ledger
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.audit_sample import AuditSample, SampledMask

_MADE = ('status', 'category', 'score', 'stability', 'coverage', 'leakage', 'components', 'area')
"""What the ledger says of the hand's mask where there is one."""


def draw(
    root: Path,
    meta: dict[str, Any],
    count: int,
    seed: int = 0,
    statuses: Collection[str] = (KEPT,),
    categories: Collection[str] | None = None,
    progress: Callable[[Iterable], Iterator] = iter,
) -> AuditSample:
    """Draw masks as the machine left them, also those that people corrected since.

    Each class that occurs gets equally many places, and what small classes leave over goes to the
    others. A mask's lot follows from the seed and its place alone, so a larger sample of the same
    seed holds the smaller one.

    Args:
        root: The annotated folder, with its ledger.
        meta: Its ``meta.json``.
        count: Masks at most.
        seed: Of the lots.
        statuses: Statuses that the machine gave to draw from.
        categories: Classes to draw from; None takes all.
        progress: Wraps the iterator over the ledger.

    Raises:
        RefusedError: No ledger there, or no mask to draw from.
        RecordError: A record is damaged.
    """
    machine = _Machine(AnnotatedFolder(root))
    population: Counter[str] = Counter()
    heaps: dict[str, list] = {}
    for row in progress(read_ledger(root / folder.LEDGER)):
        made = machine.row(row)
        if made is None or made.status not in statuses or not made.area:
            continue
        if categories is not None and made.category not in categories:
            continue
        population[made.category] += 1
        heap = heaps.setdefault(made.category, [])
        heapq.heappush(heap, (_lot(seed, made), made.tile, made.box_id, made))
        if len(heap) > count:
            heapq.heappop(heap)
    if not heaps:
        raise RefusedError(f'{root}: no mask there is {" or ".join(statuses)}')
    names = sorted(heaps)
    shares = equal_shares({name: len(heaps[name]) for name in names}, count)
    rows = [item[-1] for name in names for item in heapq.nlargest(shares[name], heaps[name])]
    rows.sort(key=lambda row: (row.tile, row.box_id))
    boxes = [machine.sampled(row) for row in rows]
    return AuditSample(seed, str(meta.get('signature')), dict(sorted(population.items())), boxes)


class _Machine:
    """What the machine gave of boxes, whatever people made of them."""

    def __init__(self, out: AnnotatedFolder):
        self._out, self._stem = out, ''
        self._boxes: dict[str, BoxEntry] = {}

    def _box(self, row: LedgerRow) -> BoxEntry:
        if row.tile != self._stem:  # rows of an image stand together
            record = Record.load_checked(self._out.path(folder.INSTANCES, row.tile))
            self._stem, self._boxes = row.tile, {box.box_id: box for box in record.boxes}
        if row.box_id not in self._boxes:
            raise RefusedError(
                f'{self._out.root}: {folder.LEDGER} has a box {row.box_id} that the record of '
                f'{row.tile} has not; write it again with sam_annotate.py --finalise'
            )
        return self._boxes[row.box_id]

    def row(self, row: LedgerRow) -> LedgerRow | None:
        """Return a row of the ledger as it was before people; None of what they added."""
        if not row.edited:
            return row
        if row.status == ADDED or (box := self._box(row)).is_added:
            return None
        values = {key: box.machine.get(key, getattr(box, key)) for key in _MADE}
        return replace(row, edited='', **values)

    def sampled(self, row: LedgerRow) -> SampledMask:
        """Return the mask of such a row."""
        box = self._box(row)
        mask = box.machine.get('segmentation', box.segmentation)
        if mask is None:
            raise RefusedError(
                f'{self._out.root}: {folder.LEDGER} is not that of the records ({row.box_id}); '
                'write it again with sam_annotate.py --finalise'
            )
        return SampledMask(
            row.tile, row.box_id, row.category, row.status, row.score, doubt(row), row.area,
            dict(size=list(mask['size']), counts=mask['counts']),
        )  # fmt: skip


def _lot(seed: int, row: LedgerRow) -> bytes:
    return hashlib.sha256(f'{seed}\n{row.tile}\n{row.box_id}'.encode()).digest()
