"""The review report of an annotated folder: one HTML file that needs nothing else."""

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import jinja2

from samrs_mm.core.atomic import atomic_write, load
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.system import follow
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.doubt import doubt
from samrs_mm.formats.annotated.entries import HAND_STATUSES
from samrs_mm.formats.annotated.ledger import LedgerRow
from samrs_mm.review.pictures import Picture, pictures
from samrs_mm.review.selection import BINS, FRACTIONS, PROMPTED, Selection, select

PAGE = 'index.html'
PICTURES, ROWS = 400, 20_000
MEASURES = {
    'doubt': 'doubt',
    'score': 'score',
    'stability': 'stability',
    'fill': 'fill',
    'coverage': 'coverage',
    'leakage': 'leakage',
    'components': 'parts',
    'area': 'area (px)',
}
"""What the page sorts and filters by, and what it calls them."""

KEYS = ('box_id', 'status', 'reason', *FRACTIONS, 'components', 'at_border', 'area')
"""What the page knows of a mask, beside its class, its doubt and the name of its image."""


@dataclass(frozen=True)
class ReportResult:
    """Where a report is, how many masks it shows and boxes it lists, and what was unreadable."""

    path: Path
    pictures: int
    rows: int
    problems: tuple[str, ...]


def write_report(
    root: str | os.PathLike,
    data_root: str | os.PathLike | None = None,
    max_pictures: int = PICTURES,
    max_rows: int = ROWS,
    progress: Callable[[str], Callable] = lambda what: iter,
    boxes: Mapping[str, Collection[str]] | None = None,
) -> ReportResult:
    """Write ``report/index.html`` of an annotated folder; the same folder gives the same bytes.

    Args:
        root: The annotated folder, with its ``ledger.csv`` and ``meta.json``.
        data_root: Where its images are; None takes what ``meta.json`` says.
        max_pictures: Most masks shown in pictures; about 20 kB each.
        max_rows: Most boxes listed; about 150 bytes each.
        progress: Returns, for a name, what wraps an iterator to show progress.
        boxes: Ids by image: what it is about; None is all.

    Raises:
        RefusedError: Not an annotated folder, or it has none of the boxes.
        OSError: The page can't be written.
    """
    root = Path(root)
    meta = finished_meta(root)
    folder.refuse_without_pictures(root, meta, 'the report')
    data_root = follow(meta['data_root'], root) if data_root is None else Path(data_root)
    ledger = root / folder.LEDGER
    found = select(
        ledger, meta['classes'], max_pictures, max_rows, progress('reading the ledger'), boxes
    )
    if boxes is not None and not found.masks:
        raise RefusedError(f'{root}: has none of the boxes that are listed')
    chosen = [*found.worst, *found.random]
    images, problems = pictures(root, data_root, chosen, progress('cutting pictures'))
    target = root / folder.REPORT / PAGE
    target.parent.mkdir(exist_ok=True)
    atomic_write(target, render(meta, found, images).encode())
    return ReportResult(target, len(images), len(found.rows), tuple(problems))


def finished_meta(root: Path) -> dict[str, Any]:
    """Return ``meta.json`` of an annotated folder that is finished.

    Raises:
        RefusedError: There is none.
    """
    path = root / folder.META
    try:
        meta = load(path.read_bytes())
        meta['classes'], meta['data_root'], meta['counts'], meta['settings']
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RefusedError(f'{path}: no annotated folder there, or one not finished') from error
    return meta


def render(meta: dict[str, Any], found: Selection, images: dict[LedgerRow, Picture]) -> str:
    """Return the page; masks without a picture have no card."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader('samrs_mm.review'),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    numbers = {name: index for index, name in enumerate(found.classes)}
    cards = [
        dict(
            mask=mask,
            picture=images[mask],
            pick=pick,
            facts=_facts(mask, pick, images[mask]),
            doubt=doubt(mask),
        )
        for pick, masks in (('worst', found.worst), ('random', found.random))
        for mask in masks
        if mask in images
    ]
    table = dict(
        folder=_name(meta),
        classes=list(found.classes),
        keys=['class', 'doubt', 'stem', *KEYS],
        rows=[
            [numbers[mask.category], doubt(mask), mask.tile, *attrgetter(*KEYS)(mask)]
            for mask in found.rows
        ],
    )
    return environment.get_template('review.html').render(
        meta=meta, found=found, cards=cards, table=table, measures=MEASURES,
        statuses=[*PROMPTED, *(each for each in HAND_STATUSES if found.statuses[each])],
        bins=BINS, most=max((counts.total() for counts in found.classes.values()), default=0),
    )  # fmt: skip


def _name(meta: dict[str, Any]) -> str:
    """Return what tells the masks of a folder from others: a browser keeps decisions by it."""
    return hashlib.sha256(f'{meta.get("signature")} {meta["data_root"]}'.encode()).hexdigest()[:16]


def _facts(mask: LedgerRow, pick: str, picture: Picture) -> dict[str, Any]:
    known = {key: getattr(mask, key) for key in ('category', *KEYS)}
    return dict(
        known, stem=mask.tile, doubt=doubt(mask), pick=pick, mask=picture.digest, edited=mask.edited
    )
