"""What the ledger of an annotated folder adds up to."""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from samrs_mm.core.prompts import NO_DATA
from samrs_mm.formats.annotated import ledger
from samrs_mm.formats.annotated.ledger import LedgerRow

OUTDATED = 'outdated'
"""State of an image whose record is not what the data give any more."""

_NUMBER = re.compile(r'[\d.]+')


@dataclass
class Totals:
    """What the ledger adds up to.

    Args:
        images: Tiles by state: done, failed, pending, outdated.
        rows: Ledger rows by status.
        kept: Kept masks by class name.
        boxes: Boxes in the labels.
        bare: Ledger rows that are of no box, but of an image or label file.
        annotations: Masks and regions in ``annotations.json``.
        no_data: Rows of boxes that lie where the image has no data.
        examples: What the first row of each status says that could not be read or written.
        notes: How many images and boxes have a note of a kind, by the first such note.
        records_sha256: Hash of the records in their order.
        problems: What does not reconcile, one line each.
    """

    images: Counter = field(default_factory=Counter)
    rows: Counter = field(default_factory=Counter)
    kept: Counter = field(default_factory=Counter)
    boxes: int = 0
    bare: int = 0
    annotations: int = 0
    no_data: int = 0
    examples: dict[str, str] = field(default_factory=dict)
    notes: Counter = field(default_factory=Counter)
    records_sha256: str = hashlib.sha256().hexdigest()
    problems: list[str] = field(default_factory=list)
    _kinds: dict[str, str] = field(default_factory=dict)
    _records: Any = field(default_factory=hashlib.sha256)

    def add_row(self, row: LedgerRow) -> None:
        """Count a row of the ledger."""
        self.rows[row.status] += 1
        self.bare += not row.box_id
        self.no_data += row.reason == NO_DATA
        if row.status in ledger.ERRORS:
            place = row.box_id or row.scene
            self.examples.setdefault(row.status, f'{place}: {row.reason}')

    def add_note(self, what: str, note: str) -> None:
        """Count a note of an image or a box; notes that differ in numbers are of one kind."""
        self.notes[what, self._kinds.setdefault(_NUMBER.sub('0', note), note)] += 1

    def add_record(self, text: bytes) -> None:
        """Take the bytes of a record into the hash of all."""
        self._records.update(text)
        self.records_sha256 = self._records.hexdigest()

    @property
    def partial(self) -> bool:
        """Whether images are still missing."""
        return any(self.images[state] for state in ('pending', 'failed', OUTDATED))

    @property
    def unread(self) -> int:
        """Rows that say something could not be read or written."""
        return sum(self.rows[status] for status in ledger.ERRORS)

    def as_json(self) -> dict[str, Any]:
        """Return all but the problems as plain data, in their order."""
        names = [each.name for each in fields(self) if each.name[0] != '_']
        values = {name: getattr(self, name) for name in names if name != 'problems'}
        return values | dict(notes=[[*key, count] for key, count in self.notes.items()])

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> 'Totals':
        """Return what ``as_json`` gave."""
        counts = {key: Counter(values[key]) for key in ('images', 'rows', 'kept')}
        notes = Counter({(what, note): count for what, note, count in values['notes']})
        return cls(**(values | counts | dict(notes=notes)))
