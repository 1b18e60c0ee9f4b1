"""The masks of an annotated folder in the order in which a person should look at them."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samrs_mm.formats.annotated.doubt import doubt
from samrs_mm.formats.annotated.entries import ADDED, CORRECTED, HAND_STATUSES, KEPT, REJECTED
from samrs_mm.formats.annotated.ledger import read_columns
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import ACCEPT, ADD, CLASS, REJECT, Action, Corrections
from samrs_mm.review.selection import PROMPTED

OPEN, DECIDED, ALL = 'open', 'decided', 'all'
CHOICES = (OPEN, DECIDED, ALL)
"""Which masks are asked for: those that nobody decided on, the others, or both."""


@dataclass(slots=True)
class Item:
    """A mask in the queue: what the ledger says of it, as far as it is sorted or shown by it.

    ``edited`` and ``seconds`` are what people did to it so far, and how long it took them; the
    other fields are those of ``LedgerRow``.
    """

    stem: str
    box_id: str
    category: str
    status: str
    score: float | None
    stability: float | None
    coverage: float | None
    leakage: float | None
    components: int | None
    edited: Any
    seconds: float
    doubt: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return what the page lists."""
        names = 'stem', 'box_id', 'category', 'status', 'doubt'
        return {name: getattr(self, name) for name in names} | dict(edited=bool(self.edited))


class Queue:
    """The prompted boxes of a folder, the most doubtful first.

    The order is that of the start, so that places in it stay what they are.

    Args:
        items: The masks.
    """

    def __init__(self, items: Iterable[Item]):
        self.items = sorted(items, key=lambda item: -item.doubt)
        self._by_stem: dict[str, dict[str, Item]] = {}
        self._decided, self._seconds, self._timed = 0, 0.0, 0
        self._lock = threading.Lock()
        for item in self.items:
            if item.stem not in self._by_stem:
                self._by_stem[item.stem] = {}
            self._by_stem[item.stem][item.box_id] = item
            self._count(item, 1)

    @classmethod
    def of_ledger(cls, path: Path) -> 'Queue':
        """Read the ledger.

        Raises:
            RefusedError: No ledger there, or not one of this format.
        """
        return cls(_read(path))

    @property
    def stems(self) -> Iterable[str]:
        """Names of the images that masks are of."""
        return self._by_stem.keys()

    def page(
        self, start: int, limit: int, choice: str = OPEN, category: str = '', status: str = ''
    ) -> tuple[list[Item], int | None]:
        """Return masks of a choice from a place in the queue on, and the place to go on from.

        Args:
            start: A place, from 0.
            limit: How many masks at most.
            choice: One of ``CHOICES``.
            category: Class name; empty takes all.
            status: A status; empty takes all.
        """
        found: list[Item] = []
        for place in range(start, len(self.items)):
            item = self.items[place]
            if (
                (category and item.category != category)
                or (status and item.status != status)
                or (choice != ALL and bool(item.edited) != (choice == DECIDED))
            ):
                continue
            if len(found) == limit:
                return found, place
            found.append(item)
        return found, None

    def update(self, stem: str, record: Record) -> None:
        """Take over what a record says of the masks of an image."""
        boxes = {box.box_id: box for box in record.boxes}
        for box_id, item in self._by_stem.get(stem, {}).items():
            if box := boxes.get(box_id):
                self._change(item, box.category, box.status, box.edited, box.seconds, doubt(box))

    def catch_up(self, corrections: Corrections) -> None:
        """Take over what was decided since the ledger was written.

        It shows what is done; ``update`` tells exactly, once the image is opened.
        """
        items = self._by_stem.get(corrections.stem, {})
        touched: dict[str, list[Action]] = {}
        for action in corrections.standing:
            touched.setdefault(action.box_id, []).append(action)
        for box_id in touched.keys() & items.keys():
            item, actions = items[box_id], touched[box_id]
            edited = [each.action for each in actions]
            names = [str(each.value) for each in actions if each.action == CLASS]
            seconds = sum(each.seconds or 0 for each in actions)
            self._change(item, [item.category, *names][-1], _status(edited), edited, seconds, 0.0)

    def progress(self) -> dict[str, Any]:
        """Return how many masks there are and were decided, and the seconds that one took."""
        mean = round(self._seconds / self._timed, 2) if self._timed else None
        return dict(total=len(self.items), decided=self._decided, seconds_per_mask=mean)

    def _change(
        self, item: Item, category: str, status: str, edited: list[str], seconds: float,
        doubt: float,
    ) -> None:  # fmt: skip
        with self._lock:
            self._count(item, -1)
            item.category, item.status, item.edited = category, status, edited
            item.seconds, item.doubt = seconds, doubt
            self._count(item, 1)

    def _count(self, item: Item, sign: int) -> None:
        if item.edited:
            self._decided += sign
        if item.edited and item.seconds:
            self._seconds += sign * item.seconds
            self._timed += sign


def _status(edited: list[str]) -> str:
    if edited[-1] == REJECT:
        return REJECTED
    if edited[0] == ADD:
        return ADDED
    return KEPT if set(edited) == {ACCEPT} else CORRECTED


def _read(path: Path) -> Iterator[Item]:
    """Yield the prompted boxes of a ledger; plain tuples, since it may have 300,000 rows."""
    shown = {*PROMPTED, *HAND_STATUSES}
    names = (
        'status', 'tile', 'box_id', 'category', 'score', 'stability', 'coverage', 'leakage',
        'components', 'edited', 'seconds',
    )  # fmt: skip
    for status, tile, box_id, category, *numbers, edited, seconds in read_columns(path, names):
        if status in shown:
            score, stability, coverage, leakage = (float(x) if x else None for x in numbers[:4])
            parts = int(numbers[4]) if numbers[4] else None
            item = Item(
                tile, box_id, category, status, score, stability, coverage, leakage, parts,
                edited, float(seconds or 0),
            )  # fmt: skip
            item.doubt = doubt(item)
            yield item
