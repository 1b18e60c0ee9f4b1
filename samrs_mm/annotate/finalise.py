"""Set-level files, made from the labels and the records: COCO file, ledger, image list, meta.

Idempotent: the same records give the same bytes, however often it is run.
"""

import contextlib
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field, fields
from functools import partial
from typing import Any, BinaryIO

from samrs_mm.annotate.changes import Changes
from samrs_mm.annotate.listed_images import IMAGE_COLUMNS, coco_image, index_row
from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.annotate.scene_objects import ObjectsWriter
from samrs_mm.core.atomic import atomic_write, dump, open_atomic
from samrs_mm.core.boxes import BoxLabel, ParsedLabels, geometry
from samrs_mm.core.classes import palette_for
from samrs_mm.core.errors import LabelReadError
from samrs_mm.core.input_notes import MadeFiles, facts_of, stamp
from samrs_mm.core.installed import digest_of_code, library_versions
from samrs_mm.core.label_fit import CHECK
from samrs_mm.core.orientation import is_of_orientation
from samrs_mm.core.prompts import NO_DATA
from samrs_mm.core.resumable import signature_of
from samrs_mm.core.system import relative_path
from samrs_mm.formats.annotated import folder, ledger
from samrs_mm.formats.annotated.entries import FAILED, KEPT, BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.ledger import LedgerRow
from samrs_mm.formats.annotated.record import CURE, Record, RecordError, read
from samrs_mm.formats.coco import CocoWriter, coco_annotation

_MAKERS = 'annotate', 'core', 'datasets', 'formats'
"""Rooms of the package that read labels and records and make lists of them."""

OUTDATED = 'outdated'
"""State of an image whose record is not what the data give any more."""

_NUMBER = re.compile(r'[\d.]+')
_TEXTS = ('reason', 'flags', 'notes')
_BOX_COLUMNS = [
    each.name
    for each in fields(BoxEntry)
    if each.name in ledger.COLUMNS and each.name not in _TEXTS
]


@dataclass
class Totals:
    """What the ledger adds up to.

    Args:
        images: Tiles by state: done, failed, pending, outdated.
        rows: Ledger rows by status.
        kept: Kept masks by class name.
        boxes: Boxes in the labels.
        bare: Ledger rows that are of no box, but of an image or label file.
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


class Finaliser:
    """Writes ``annotations.json``, ``ledger.csv``, ``images.csv`` and ``meta.json``.

    ``config`` is the config's name, for ``meta.json``; ``progress`` wraps the iterator over scenes.
    Images that ``changes`` call outdated count as not done.
    """

    def __init__(
        self,
        plan: Plan,
        out: AnnotatedFolder,
        settings: dict[str, Any],
        config: str,
        progress: Callable[[Iterable], Iterator] = iter,
        changes: Changes | None = None,
    ):
        self.plan, self.out, self.settings = plan, out, settings
        self.config, self.progress = config, progress
        self.outdated = changes.outdated if changes else {}
        self.gone = changes.gone if changes else []
        self.signature = signature_of(settings)
        self.lists = [folder.ANNOTATIONS, folder.LEDGER, folder.INDEX]
        if not plan.dataset.labelled:
            self.lists.append(folder.OBJECTS)

    def write(self, anew: bool = False) -> Totals:
        """Write the set-level files and return what they hold.

        Those that are made of the same records and labels stay as they are, unless they are to be
        made ``anew``; see ``facts``.

        Raises:
            OSError: A file can't be written; the old one is untouched.
        """
        root = self.out.root
        files = [root / name for name in self.lists]
        with self.out.lock():
            self.out.clean()
            made = MadeFiles(root / folder.MADE, self.facts(), files)
            known = None if anew else made.about()
            if known is not None:
                totals = Totals.from_json(known)
            else:
                with contextlib.ExitStack() as stack:
                    totals = self.render(*[stack.enter_context(open_atomic(f)) for f in files])
                if not totals.problems:
                    made.write(totals.as_json())
            meta = self.meta(totals)
            if totals.images[OUTDATED] and (before := self.out.signatures()):
                meta[folder.RELABELLING] = sorted(before)
            scenes = {folder.scene_key(scene.stem) for scene in self.plan.dataset.scenes}
            self.out.notes.keep({tile.stem for tile in self.plan.tiles}.union(self.gone, scenes))
            atomic_write(self.out.meta, dump(meta))
        return totals

    def facts(self) -> str:
        """Return a digest of all that decides the lists; empty where the labels' is not known.

        Of records it has sizes and times. Code and libraries are in it, too.
        """
        dataset, failed = self.plan.dataset, self.out.failed()
        if not dataset.digest:
            return ''
        without = [dataset.no_image(i) for i, s in enumerate(dataset.scenes) if s.image is None]
        code = digest_of_code(*_MAKERS), library_versions()
        facts = facts_of(*code, dataset.digest, dataset.rule, *without)
        for tile in self.plan.tiles:
            kinds = (folder.INSTANCES, *[folder.FAILED] * (tile.stem in failed))
            stamps = (stamp(self.out.path(kind, tile.stem)) for kind in kinds)
            facts = facts_of(facts, tile, *stamps)
        return facts_of(facts, self.signature, *sorted(self.outdated))

    def render(
        self, coco: BinaryIO, book: BinaryIO, index: BinaryIO, objects: BinaryIO | None = None
    ) -> Totals:
        """Stream the ``lists`` into open binary files, in that order."""
        totals = Totals()
        writer = CocoWriter(coco, self.plan.dataset.classes)
        scenes = ObjectsWriter(objects, self.plan) if objects else None
        rows, images = ledger.csv_writer(book), ledger.csv_writer(index)
        rows.writerow(ledger.COLUMNS)
        images.writerow(IMAGE_COLUMNS)
        self._stream(totals, writer, rows, images, scenes)
        for each in (writer, scenes) if scenes else (writer,):
            each.finish()
        return totals

    def _stream(
        self, totals: Totals, coco: CocoWriter, book: Any, index: Any, scenes: ObjectsWriter | None
    ) -> None:
        """Write all but the heads; ``book`` and ``index`` are CSV writers."""
        for scene in self.progress(range(len(self.plan.dataset.scenes))):
            done = {}
            for tile in self.plan.by_scene.get(scene, ()):
                record = self._record(tile, totals)
                if record is None:
                    continue
                done[tile.index] = record
                image = coco_image(tile, record)
                coco.add(image, map(coco_annotation, record.annotated))
                index.writerow(index_row(image, record))
            same = scenes.add(scene, done, totals.problems) if scenes else {}
            for row in self._rows(scene, done, totals, same):
                totals.kept.update([row.category] * (row.status == KEPT))
                totals.add_row(row)
                book.writerow(astuple(row))

    def _record(self, tile: Tile, totals: Totals) -> Record | None:
        path = self.out.path(folder.INSTANCES, tile.stem)
        if tile.stem in self.outdated:
            totals.images[OUTDATED] += 1
            return None
        if not path.exists():
            failed = self.out.path(folder.FAILED, tile.stem).exists()
            totals.images['failed' if failed else 'pending'] += 1
            return None
        try:
            text = read(path)
            record = Record.parse(text, path)
        except RecordError as error:
            totals.images['failed'] += 1
            totals.problems.append(str(error))
            return None
        totals.images['done'] += 1
        totals.add_record(text)
        settled = self.plan.dataset.rule.exif != CHECK
        for note in record.image.notes:
            if not (settled and is_of_orientation(note)):
                totals.add_note('image', note)
        if record.signature != self.signature:
            totals.problems.append(f'{path}: made with other settings{CURE}')
        return record

    def _rows(
        self, scene: int, done: dict[int, Record], totals: Totals, same: dict[str, str]
    ) -> Iterator[LedgerRow]:
        """Yield the ledger's rows of a scene, of whose tiles ``done`` are the records by index.

        For ``same`` see ``SceneObjects``.
        """
        tiles = self.plan.by_scene.get(scene, [])
        dataset, entry = self.plan.dataset, self.plan.dataset.scenes[scene]
        new_row = partial(LedgerRow, scene=entry.stem, image=entry.image or '')
        failures = self._failures(tiles, done, totals)
        try:
            parsed = dataset.labels(scene)
        except LabelReadError as error:
            parsed = ParsedLabels()
            reason = str(error).replace(os.path.join(dataset.root, ''), '')
            yield new_row(entry.label or '', ledger.UNREADABLE, reason)
        self._check_boxes(entry.stem, done, parsed, totals)
        totals.boxes += len(parsed.boxes) + len(parsed.problems)
        for note in (note for box in parsed.boxes for note in box.notes):
            totals.add_note('box', note)
        seen = set()
        for tile in tiles:
            record = done.get(tile.index) or failures.get(tile.index)
            if record is None:
                continue
            if record.error is not None:
                yield new_row('', FAILED, record.error, tile=tile.stem)
            for box in record.boxes:
                seen.add(box.box_id)
                columns = {name: getattr(box, name) for name in _BOX_COLUMNS}
                columns |= dict(
                    reason=box.reason or record.error or '',
                    flags=box.marks,
                    notes='; '.join(box.notes),
                )
                if other := same.get(box.box_id):
                    columns |= dict(status=ledger.MERGED, reason=f'same object as {other}')
                yield new_row(tile=tile.stem, **columns)
        rest = [label for label in parsed.boxes if label.box_id not in seen]
        for label, where in zip(rest, self._rest(scene, rest, done, failures), strict=True):
            status, reason, stem = where
            name = dataset.classes[dataset.table.index(label.category)]
            yield new_row(label.box_id, status, reason, name, tile=stem)
        for problem in parsed.problems:
            yield new_row(problem.box_id, problem.status, problem.message)
        if entry.label is None and dataset.labelled:
            yield new_row('', ledger.NO_LABEL, 'the image has no label file')
        elif entry.image is None and not (parsed.boxes or parsed.problems):
            yield new_row('', ledger.NO_IMAGE, f'{entry.label} has no box for it, and no image')

    def _failures(
        self, tiles: list[Tile], done: dict[int, Record], totals: Totals
    ) -> dict[int, Record]:
        """Return the records of failures by tile; damaged ones are problems."""
        found = {}
        for tile in tiles:
            path = self.out.path(folder.FAILED, tile.stem)
            if tile.index in done or not path.exists():
                continue
            try:
                found[tile.index] = Record.load_failure(path)
            except RecordError as error:
                totals.problems.append(str(error))
        return found

    def _rest(
        self,
        scene: int,
        labels: Sequence[BoxLabel],
        done: dict[int, Record],
        failures: dict[int, Record],
    ) -> Iterator[tuple[str, str, str]]:
        """Yield status, reason and tile of boxes that stand in no record of their scene."""
        tiles = self.plan.by_scene.get(scene)
        if tiles is None:
            yield from [(ledger.NO_IMAGE, self.plan.dataset.no_image(scene), '')] * len(labels)
            return
        failed = next((tile for tile in tiles if tile.index in failures), None)
        for untiled in self._untiled(tiles, labels):
            if untiled:
                yield ledger.UNTILED, untiled, ''
            elif failed is not None:
                yield FAILED, failures[failed.index].error or '', failed.stem
            elif all(tile.index in done for tile in tiles):
                yield ledger.PENDING, 'its image was annotated without it', ''
            else:
                yield ledger.PENDING, 'its image is not done yet', ''

    def _untiled(self, tiles: Sequence[Tile], labels: Sequence[BoxLabel]) -> Iterator[str]:
        """Yield for each box of a scene why the tiling rule gives it to no tile; '' if it does."""
        spec = self.plan.spec
        if spec is None or not all(tile.window for tile in tiles) or not labels:
            yield from [''] * len(labels)
            return
        rows = self.plan.assign(tiles, labels, geometry(labels).polygons)
        held = set().union(*(row.tolist() for row in rows))
        reason = 'it lies outside' if spec.once else f'no tile holds {spec.iof:g} of its area'
        yield from ('' if position in held else reason for position in range(len(labels)))

    def _check_boxes(
        self, stem: str, done: dict[int, Record], parsed: ParsedLabels, totals: Totals
    ) -> None:
        known = {box.box_id for box in parsed.boxes}
        held = {box.box_id for record in done.values() for box in record.boxes}
        lost = known - held if done and self.plan.spec is None else set()
        if self.plan.dataset.labelled and (held - known or lost):
            example = min(held - known or lost)
            totals.problems.append(
                f'{stem}: the labels are not those it was annotated with (such as {example}); '
                f'delete its files in {self.out.root / folder.INSTANCES} and run again'
            )

    def meta(self, totals: Totals) -> dict:
        """Return the content of ``meta.json``."""
        classes, ids = self.plan.dataset.classes, self.plan.dataset.category_ids
        fit = self.plan.dataset.rule.beyond_check
        return dict(
            partial=totals.partial,
            settings=self.settings,
            signature=self.signature,
            config=self.config,
            classes=list(classes),
            palette=[list(colour) for colour in palette_for(len(classes))],
            **({'category_ids': ids} if ids else {}),
            data_root=relative_path(self.plan.dataset.root, self.out.root),
            **({folder.FIT: fit} if fit else {}),
            checkpoint_sha256=self.settings.get('checkpoint_sha256'),
            counts=dict(
                images=dict(total=len(self.plan.tiles), **sorted_counts(totals.images)),
                boxes=totals.boxes,
                ledger=sorted_counts(totals.rows),
                kept={name: totals.kept[name] for name in classes},
            ),
            records_sha256=totals.records_sha256,
            versions=library_versions(),
        )


def sorted_counts(counts: Counter) -> dict[str, int]:
    """Return a counter's non-zero entries as a dict, by name."""
    return {name: count for name, count in sorted(counts.items()) if count}
