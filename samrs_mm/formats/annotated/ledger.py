"""The ledger: one row for each input box and tile, so that no box is lost silently."""

import codecs
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

from samrs_mm.core.boxes import MALFORMED, MISFIT
from samrs_mm.core.errors import RefusedError

UNTILED, PENDING, MERGED = 'untiled', 'pending', 'merged'
NO_IMAGE, NO_LABEL, UNREADABLE = 'no_image', 'no_label', 'unreadable'

ERRORS = ('failed', MALFORMED, MISFIT, NO_IMAGE, UNREADABLE)
"""Statuses that say something could not be read or written."""


@dataclass(frozen=True)
class LedgerRow:
    """One row: a box in a tile (of an image relative to the data root), or a whole image.

    Args:
        box_id: Place of the box in the labels; empty for a row about a whole image
            (``no_label``).
        status: A box status of the record (kept, empty, outside, degenerate, filtered, crowd,
            ignored), one that corrections gave (corrected, rejected, added), or ``failed`` (its
            image could not be read, segmented or written), ``untiled`` (no tile takes the box),
            ``pending`` (its image is not done yet), ``merged`` (the object of another mask,
            without boxes only), ``malformed`` (not readable as a box), ``misfit``
            (of a picture of another size or turn), ``no_image`` (its image is missing),
            ``unreadable`` (the label file as a whole) or ``no_label`` (an image without label
            file).
        reason: Why there is no mask; empty for kept boxes.
        tile: Name of the output image; empty where there is none.
        score: Predicted IoU, or empty; as all measures (see ``masks.measure``) without a mask.
        area: Mask area in pixels.
        visible_area: Area after overlap in pixels.
        flags: Marks of the labels that aren't 0, as ``difficult=1 truncated=1``.
        notes: What was done to the box on the way, joined by ``; ``.
        edited: What people did to it, such as ``class mask``; this column and the next are there
            only in folders with corrections.
        seconds: How long that took them.
    """

    box_id: str
    status: str
    reason: str = ''
    category: str = ''
    scene: str = ''
    tile: str = ''
    image: str = ''
    score: float | None = None
    stability: float | None = None
    area: int = 0
    visible_area: int = 0
    fill: float | None = None
    coverage: float | None = None
    leakage: float | None = None
    components: int | None = None
    at_border: bool | None = None
    flags: str = ''
    notes: str = ''
    edited: str = ''
    seconds: float | None = None


COLUMNS = tuple(field.name for field in fields(LedgerRow))
HAND_COLUMNS = ('edited', 'seconds')
"""The last columns, of folders with corrections."""
_LATER = frozenset({'flags', 'notes', *HAND_COLUMNS})
"""Columns that a ledger may lack: the first two in format 2."""


def csv_writer(file: BinaryIO) -> Any:
    """Return a writer of ``csv`` to an open binary file; None becomes empty."""
    return csv.writer(codecs.getwriter('utf-8')(file), lineterminator='\n')


_NUMBERS: dict[str, Callable[[str], Any]] = dict(
    score=float, stability=float, area=int, visible_area=int, fill=float, coverage=float,
    leakage=float, components=int, at_border='True'.__eq__,
    seconds=float,
)  # fmt: skip


def read_ledger(path: Path) -> Iterator[LedgerRow]:
    """Yield the rows of a ledger.

    Raises:
        RefusedError: No ledger there, or not one of this format.
    """
    for row in read_columns(path, COLUMNS):
        values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
        for name, kind in _NUMBERS.items():
            values[name] = kind(values[name]) if values[name] else None
        yield LedgerRow(**values)


def read_columns(path: Path, names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield some columns of a ledger, two or more, as text, row by row; several times faster.

    A column that the ledger lacks, and may, is empty.

    Raises:
        RefusedError: As ``read_ledger``.
    """
    try:
        with open(path, newline='', encoding='utf-8') as file:
            table = csv.reader(file)
            head = next(table, [])
            if lacking := set(COLUMNS) - _LATER - set(head):
                raise RefusedError(
                    f'{path}: not a ledger with {", ".join(sorted(lacking))}; annotate anew '
                    'with this version'
                )
            places = {name: place for place, name in enumerate(head)}
            chosen = itemgetter(*(places.get(name, len(head)) for name in names))
            width = len(head) + (not places.keys() >= set(names))
            for row in table:
                if row:
                    row += [''] * (width - len(row))
                    yield chosen(row)
    except FileNotFoundError as error:
        raise RefusedError(
            f'{path}: no such file; give an annotated folder, or write it with '
            'sam_annotate.py --finalise'
        ) from error
