"""Set-level files, made from the labels and the records: COCO file, ledger, image list, meta.

Idempotent: the same records give the same bytes, however often and by whomever it is run.
"""

import importlib.metadata
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from samrs_mm.annotate.plan import Plan, Unit
from samrs_mm.core.atomic import atomic_write, open_atomic
from samrs_mm.core.classes import palette_for
from samrs_mm.core.errors import LabelReadError
from samrs_mm.core.resumable import dump, signature_of
from samrs_mm.formats.annotated import folder, ledger, records
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.ledger import LedgerRow
from samrs_mm.formats.annotated.record import BoxEntry
from samrs_mm.formats.boxes.labels import ParsedLabels
from samrs_mm.formats.coco import CocoWriter, coco_annotation

_LIBRARIES = (
    'samrs_mm', 'numpy', 'opencv-python', 'pillow', 'pycocotools', 'rasterio', 'shapely', 'torch',
    'segment-anything', 'mmengine', 'mmsegmentation', 'mmrotate',
)  # fmt: skip

IMAGE_COLUMNS = ('stem', 'file', 'scene', 'split', 'width', 'height', 'kept', 'labelled')
"""Of ``images.csv``: what training needs to know of an image without opening its record."""


@dataclass
class Totals:
    """What the ledger adds up to.

    Args:
        images: Units by state: done, failed, pending.
        rows: Ledger rows by status.
        kept: Kept masks by class name.
        boxes: Distinct box ids met in the labels.
        problems: What does not reconcile, one line each.
    """

    images: Counter = field(default_factory=Counter)
    rows: Counter = field(default_factory=Counter)
    kept: Counter = field(default_factory=Counter)
    boxes: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def partial(self) -> bool:
        """Whether images are still missing."""
        return bool(self.images['pending'] or self.images['failed'])

    @property
    def unread(self) -> int:
        """Rows that say something could not be read or written."""
        return sum(self.rows[status] for status in ledger.ERRORS)


class Finaliser:
    """Writes ``annotations.json``, ``ledger.csv``, ``images.csv`` and ``meta.json``.

    Args:
        plan: All images of the dataset.
        out: The annotated folder.
        settings: What the signature is made from.
        config: Name of the config, for ``meta.json``.
        checkpoint_sha256: Hash of the weights, or None.
        progress: Wraps the iterator over scenes, to show progress.
    """

    def __init__(
        self,
        plan: Plan,
        out: AnnotatedFolder,
        settings: dict[str, Any],
        config: str,
        checkpoint_sha256: str | None,
        progress: Callable[[Iterable], Iterator] = iter,
    ):
        self.plan, self.out, self.settings = plan, out, settings
        self.config, self.checkpoint_sha256 = config, checkpoint_sha256
        self.progress = progress
        self.signature = signature_of(settings)

    def write(self) -> Totals:
        """Write the set-level files and return what they hold.

        Raises:
            OSError: A file can't be written; the old one is untouched.
        """
        with self.out.lock():
            self.out.clean()
            with (
                open_atomic(self.out.root / folder.ANNOTATIONS) as coco,
                open_atomic(self.out.root / folder.LEDGER) as book,
                open_atomic(self.out.root / folder.INDEX) as index,
            ):
                totals = self.render(coco, book, index)
            atomic_write(self.out.meta, dump(self.meta(totals)))
        return totals

    def render(self, coco: BinaryIO, book: BinaryIO, index: BinaryIO) -> Totals:
        """Stream the COCO file, the ledger and the list of images into open binary files."""
        totals = Totals()
        writer = CocoWriter(coco, self.plan.dataset.classes)
        book.write(ledger.csv_line(ledger.COLUMNS))
        index.write(ledger.csv_line(IMAGE_COLUMNS))
        self._stream(totals, writer, book, index)
        writer.finish()
        return totals

    def _stream(self, totals: Totals, coco: CocoWriter, book: BinaryIO, index: BinaryIO) -> None:
        for scene in self.progress(range(len(self.plan.dataset.scenes))):
            done = {}
            for unit in self.plan.by_scene.get(scene, ()):
                record = self._record(unit, totals)
                if record is None:
                    continue
                done[unit.index] = record
                image = self._coco_image(unit, record)
                index.write(ledger.csv_line(self._image_row(image, record)))
                kept = [box for box in record['boxes'] if box['status'] == records.KEPT]
                totals.kept.update(box['category'] for box in kept)
                coco.add(image, (coco_annotation(BoxEntry(**box)) for box in kept))
            for row in self._rows(scene, done, totals):
                totals.rows[row.status] += 1
                book.write(ledger.line(row))

    def _record(self, unit: Unit, totals: Totals) -> dict | None:
        path = self.out.path(folder.INSTANCES, unit.stem)
        if not path.exists():
            failed = self.out.path(folder.FAILED, unit.stem).exists()
            totals.images['failed' if failed else 'pending'] += 1
            return None
        try:
            record = records.load(path)
        except records.RecordError as error:
            totals.images['failed'] += 1
            totals.problems.append(f'{error}; delete it and run again')
            return None
        totals.images['done'] += 1
        if record['signature'] != self.signature:
            totals.problems.append(f'{path}: made with other settings; delete it and run again')
        return record

    def _rows(self, scene: int, done: dict[int, dict], totals: Totals) -> Iterator[LedgerRow]:
        units = self.plan.by_scene.get(scene, [])
        parsed, unreadable = self._labels(scene)
        if unreadable:
            yield unreadable
        self._check_boxes(scene, done, parsed, totals)
        totals.boxes += len(parsed.boxes) + len(parsed.problems)
        seen = set()
        for unit in units:
            for row in self._unit_rows(unit, done.get(unit.index)):
                seen.add(row.box_id)
                yield row
        status, reason, tile = self._rest(scene, units, done)
        about = self._about(scene)
        for box in parsed.boxes:
            if box.box_id not in seen:
                yield LedgerRow(
                    box.box_id, status, reason, self._category(box.category), tile=tile, **about
                )
        for problem in parsed.problems:
            yield LedgerRow(problem.box_id, ledger.MALFORMED, problem.message, **about)
        if self.plan.dataset.scenes[scene].label is None:
            yield LedgerRow('', ledger.NO_LABEL, 'the image has no label file', **about)

    def _unit_rows(self, unit: Unit, record: dict | None) -> Iterator[LedgerRow]:
        error = ''
        if record is None:
            path = self.out.path(folder.FAILED, unit.stem)
            if not path.exists():
                return
            record = records.load(path)
            error = record['error']
            yield _row(self.plan, unit, dict(box_id='', status=records.FAILED, reason=error))
        for box in record['boxes']:
            yield _row(self.plan, unit, box | dict(reason=box['reason'] or error))

    def _labels(self, scene: int) -> tuple[ParsedLabels, LedgerRow | None]:
        try:
            return self.plan.dataset.labels(scene), None
        except LabelReadError as error:
            label = self.plan.dataset.scenes[scene].label
            about = self._about(scene)
            reason = str(error).replace(f'{self.plan.dataset.root}/', '')
            return ParsedLabels(), LedgerRow(label, ledger.UNREADABLE, reason, **about)

    def _rest(self, scene: int, units: list[Unit], done: dict[int, dict]) -> tuple[str, str, str]:
        """Return status, reason and tile of the boxes that stand in no record of their scene."""
        missing = [unit for unit in units if unit.index not in done]
        if self.plan.dataset.scenes[scene].image is None:
            return ledger.NO_IMAGE, 'the label file has no image', ''
        if not missing:
            return ledger.UNTILED, f'no tile holds {self._iof():g} of its area', ''
        for unit in missing:
            path = self.out.path(folder.FAILED, unit.stem)
            if path.exists():
                return records.FAILED, records.load(path).get('error', ''), unit.stem
        return ledger.PENDING, 'its image is not done yet', ''

    def _iof(self) -> float:
        return self.plan.tile.iof if self.plan.tile else 1.0

    def _check_boxes(
        self, scene: int, done: dict[int, dict], parsed: ParsedLabels, totals: Totals
    ) -> None:
        known = {box.box_id for box in parsed.boxes}
        held = {box['box_id'] for record in done.values() for box in record['boxes']}
        stem = self.plan.dataset.scenes[scene].stem
        lost = known - held if done and self.plan.tile is None else set()
        if held - known or lost:
            example = sorted(held - known or lost)[0]
            totals.problems.append(
                f'{stem}: the labels are not those it was annotated with (such as {example}); '
                f'delete its files in {self.out.root / folder.INSTANCES} and run again'
            )

    def _about(self, scene: int) -> dict[str, str]:
        entry = self.plan.dataset.scenes[scene]
        return dict(scene=entry.stem, image=entry.image or '')

    def _category(self, name: str) -> str:
        table = self.plan.dataset.table
        return table.classes[table.index(name)]

    def _coco_image(self, unit: Unit, record: dict) -> dict:
        image = record['image']
        tiled = unit.window is not None
        name = f'{folder.IMAGES}/{unit.stem}.png' if tiled else image['path']
        return dict(
            id=unit.index + 1, file_name=name, width=image['width'], height=image['height'],
            stem=unit.stem, scene=image['scene'], offset=image['offset'],
        )  # fmt: skip

    def _image_row(self, image: dict, record: dict) -> list:
        areas = [b['visible_area'] for b in record['boxes'] if b['status'] == records.KEPT]
        sizes = image['width'], image['height']
        split = record['image']['split'] or ''
        about = image['stem'], image['file_name'], image['scene'], split
        return [*about, *sizes, len(areas), sum(areas)]

    def meta(self, totals: Totals) -> dict:
        """Return the content of ``meta.json``."""
        classes = self.plan.dataset.classes
        return dict(
            partial=totals.partial,
            settings=self.settings,
            signature=self.signature,
            config=self.config,
            classes=list(classes),
            palette=[list(colour) for colour in palette_for(len(classes))],
            data_root=os.path.relpath(self.plan.dataset.root, self.out.root),
            checkpoint_sha256=self.checkpoint_sha256,
            counts=dict(
                images=dict(total=len(self.plan.units), **sorted_counts(totals.images)),
                boxes=totals.boxes,
                ledger=sorted_counts(totals.rows),
                kept={name: totals.kept[name] for name in classes},
            ),
            versions=_versions(),
        )


def sorted_counts(counts: Counter) -> dict[str, int]:
    """Return a counter's non-zero entries as a dict, by name."""
    return {name: count for name, count in sorted(counts.items()) if count}


def _versions() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _row(plan: Plan, unit: Unit, box: dict) -> LedgerRow:
    scene = plan.dataset.scenes[unit.scene]
    facts = {key: box[key] for key in ledger.COLUMNS if key in box}
    return LedgerRow(**facts, scene=scene.stem, tile=unit.stem, image=scene.image)
