"""Set-level files, made from the labels and the records: COCO file, ledger, image list, meta.

Idempotent: the same records give the same bytes, however often it is run.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from functools import partial
from typing import Any, BinaryIO

from samrs_mm.annotate.changes import Changes
from samrs_mm.annotate.listed_images import IMAGE_COLUMNS, coco_image, index_row
from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.annotate.scene_objects import ObjectsWriter, SceneObjects
from samrs_mm.annotate.totals import OUTDATED, Totals
from samrs_mm.annotate.writer import MaskFilters
from samrs_mm.core.atomic import atomic_write, dump, open_atomic
from samrs_mm.core.boxes import BoxLabel, ParsedLabels, geometry
from samrs_mm.core.classes import palette_for
from samrs_mm.core.errors import LabelReadError
from samrs_mm.core.input_notes import MadeFiles, facts_of, stamp
from samrs_mm.core.installed import digest_of_code, library_versions
from samrs_mm.core.label_fit import CHECK
from samrs_mm.core.orientation import is_of_orientation
from samrs_mm.core.resumable import signature_of
from samrs_mm.core.system import relative_path
from samrs_mm.formats.annotated import folder, ledger
from samrs_mm.formats.annotated.entries import FAILED, HELD, BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.ledger import LedgerRow
from samrs_mm.formats.annotated.record import CURE, Record, RecordError, read
from samrs_mm.formats.coco import CocoWriter, coco_annotation
from samrs_mm.formats.corrections.actions import Corrections, CorrectionsError

_MAKERS = 'annotate', 'core', 'datasets', 'formats'
"""Rooms of the package that read labels and records and make lists of them."""

_TEXTS = ('reason', 'flags', 'notes', *ledger.HAND_COLUMNS)
_BOX_COLUMNS = [
    each.name
    for each in fields(BoxEntry)
    if each.name in ledger.COLUMNS and each.name not in _TEXTS
]


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
        corrected = self.out.corrected()
        if not dataset.digest:
            return ''
        without = [dataset.no_image(i) for i, s in enumerate(dataset.scenes) if s.image is None]
        code = digest_of_code(*_MAKERS), library_versions()
        facts = facts_of(*code, dataset.digest, dataset.rule, *without)
        for tile in self.plan.tiles:
            kinds = (folder.INSTANCES, *[folder.FAILED] * (tile.stem in failed))
            files = [self.out.path(kind, tile.stem) for kind in kinds]
            files += [self.out.corrections(tile.stem)] * (tile.stem in corrected)
            facts = facts_of(facts, tile, *map(stamp, files))
        return facts_of(facts, self.signature, *sorted(self.outdated))

    def render(
        self, coco: BinaryIO, book: BinaryIO, index: BinaryIO, objects: BinaryIO | None = None
    ) -> Totals:
        """Stream the ``lists`` into open binary files, in that order."""
        totals = Totals()
        writer = CocoWriter(coco, self.plan.dataset.classes)
        filters = MaskFilters.from_config(self.settings.get('filters'))
        scenes = ObjectsWriter(objects, self.plan, filters) if objects else None
        rows, images = ledger.csv_writer(book), ledger.csv_writer(index)
        self._by_hand = self._read_corrections(totals)
        self._columns = None if any(self._by_hand.values()) else -len(ledger.HAND_COLUMNS)
        rows.writerow(ledger.COLUMNS[: self._columns])
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
                image = coco_image(tile, record, self.plan.pictured(tile))
                coco.add(image, map(coco_annotation, record.annotated))
                totals.annotations += len(record.annotated)
                index.writerow(index_row(image, record))
            objects = scenes.add(scene, done, totals.problems) if scenes else SceneObjects()
            for row in self._rows(scene, done, totals, objects):
                totals.kept.update([row.category] * (row.status in HELD))
                totals.add_row(row)
                book.writerow(astuple(row)[: self._columns])

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
        self._check_corrections(tile.stem, record, totals)
        return record

    def _read_corrections(self, totals: Totals) -> dict[str, str]:
        """Return the digest of each image's corrections; damaged ones are problems."""
        found = {}
        for stem in sorted(self.out.corrected() & {tile.stem for tile in self.plan.tiles}):
            try:
                found[stem] = Corrections.load(self.out.corrections(stem)).digest
            except CorrectionsError as error:
                totals.problems.append(str(error))
        return found

    def _check_corrections(self, stem: str, record: Record, totals: Totals) -> None:
        """Name corrections that are not in a record, or no longer fit it."""
        about, path = record.corrections or {}, self.out.corrections(stem)
        if stem in self._by_hand and about.get('sha256', '') != self._by_hand[stem]:
            totals.problems.append(f'{path}: not entered yet; --finalise enters them')
        if about and not path.exists():
            totals.problems.append(
                f'{path}: is gone, but its corrections are in the record; put it back, or delete '
                f'{self.out.path(folder.INSTANCES, stem)} and run again'
            )
        for line in about.get('stale', ()):
            totals.problems.append(
                f'{path}: {line}; correct it anew, or take it back with import_corrections.py '
                f'{self.out.root} --undo-stale'
            )

    def _rows(
        self, scene: int, done: dict[int, Record], totals: Totals, objects: SceneObjects
    ) -> Iterator[LedgerRow]:
        """Yield the ledger's rows of a scene, of whose tiles ``done`` are the records by index."""
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
                    edited=' '.join(box.edited),
                    seconds=box.seconds or None,
                )
                yield new_row(tile=tile.stem, **(columns | objects.verdict(box)))
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
        boxes = (box for record in done.values() for box in record.boxes)
        held = {box.box_id for box in boxes if not box.is_added}
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
        fit, elsewhere = self.plan.dataset.rule.beyond_check, self.plan.dataset.elsewhere
        only = self.plan.dataset.only
        return dict(
            partial=totals.partial,
            settings=self.settings,
            signature=self.signature,
            config=self.config,
            classes=list(classes),
            palette=[list(colour) for colour in palette_for(len(classes))],
            **({'category_ids': ids} if ids else {}),
            data_root=relative_path(self.plan.dataset.root, self.out.root),
            **({folder.ONLY: only} if only else {}),
            **({folder.FIT: fit} if fit else {}),
            checkpoint_sha256=self.settings.get('checkpoint_sha256'),
            counts=dict(
                images=dict(total=len(self.plan.tiles), **sorted_counts(totals.images)),
                boxes=totals.boxes,
                **({'elsewhere': elsewhere} if elsewhere else {}),
                ledger=sorted_counts(totals.rows),
                kept={name: totals.kept[name] for name in classes},
            ),
            records_sha256=totals.records_sha256,
            versions=library_versions(),
        )


def sorted_counts(counts: Counter) -> dict[str, int]:
    """Return a counter's non-zero entries as a dict, by name."""
    return {name: count for name, count in sorted(counts.items()) if count}
