"""Turn a subset of the SAMRS release into an annotated folder, and count what is wrong in it."""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np

from samrs_mm.annotate.changes import IMAGE, Changes
from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.core import boxes as box_ops
from samrs_mm.core import masks
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.boxes import BoxLabel
from samrs_mm.core.classes import NAMED_CLASSES, SIOR_CLASSES, ClassTable, UnknownClassError
from samrs_mm.core.errors import LabelReadError, SamrsError
from samrs_mm.core.images import image_size, write_png
from samrs_mm.core.input_notes import Inputs
from samrs_mm.core.parallel import ordered_map
from samrs_mm.core.resumable import signature_of
from samrs_mm.datasets.boxes.released import SAMRSBoxDataset
from samrs_mm.datasets.segmentation.image_index import is_dior_trainval, scene_of
from samrs_mm.datasets.transforms.pixels import check_values, read_label
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import KEPT, BoxEntry, ImageEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import FORMAT, Record

GRAY = 'label pixels are not what the masks give; the label map is kept as it is'
NO_GRAY = 'label maps were missing and were made from the masks'
CATEGORY = 'instances give a category that is not the name of their label; the label counts'
OTHER = 'instances give the category that their label has in {0}: is it that subset? --subset {0}'
FILES = 'its instances or label map changed'
SIZE = 'instances give a size that is not that of their mask; the mask counts'

_TABLES = {subset: ClassTable(classes) for subset, classes in NAMED_CLASSES.items()}


class ReleasedImporter:
    """Writes records and label maps; ``Finaliser`` writes the rest.

    A record's ``notes`` say what was wrong in its image, as ``COUNT what``. Where tiles were cut
    from is not in the release, so ``offset`` and ``scene_polygon`` are null, but for images that
    are scenes themselves. Label maps are compared with what the overlap policy gives.
    """

    def __init__(self, dataset: SAMRSBoxDataset, out: AnnotatedFolder, policy: str):
        self.dataset, self.out, self.policy = dataset, out, policy
        self.plan = Plan(dataset, None)

    def settings(self) -> dict[str, Any]:
        """Return what decides the output, as plain data."""
        prompt = 'hbox'  # that of the first instance, if there is one
        for index in range(len(self.dataset)):
            with contextlib.suppress(LabelReadError):
                boxes = self.dataset.labels(index).boxes
                if boxes:
                    prompt = _prompt_of(boxes[0])
                    break
        settings = dict(
            format=FORMAT,
            prompt=prompt,
            tile=None,
            model=dict(type='SAMRSRelease'),
            checkpoint_sha256=None,
            overlap_policy=self.policy,
            filters=None,
            dataset=dict(type=type(self.dataset).__name__, classes=list(self.dataset.classes)),
        )
        return json.loads(dump(settings))

    def changes(self) -> Changes:
        """Compare the images that have a record with the release, and note those that are the same.

        One without a note is the same where none of its files is newer than its record.
        """
        changes, notes = Changes(), self.out.notes
        finished, known = self.out.done(), notes.read().keys()
        for tile in self.plan.tiles:
            if tile.stem not in finished:
                continue
            inputs, record = self._inputs(tile), self.out.path(folder.INSTANCES, tile.stem)
            look = notes.look(tile.stem, inputs)
            if tile.stem in known and not look.same:
                changes.redo[tile.stem] = IMAGE if 0 in look.changed else FILES
            elif tile.stem not in known and inputs.newer_than([record]):
                changes.redo[tile.stem] = FILES
            elif look.note or not look.noted:
                changes.notes[tile.stem] = look.note or inputs.note()
        stems = {tile.stem for tile in self.plan.tiles}
        changes.gone = sorted((finished | self.out.failed()) - stems)
        return changes

    def make_ready(self, changes: Changes) -> None:
        """Delete what is to be imported anew."""
        if changes.redo:
            self.out.reopen()
        for stem in changes.redo:
            self.out.remove(stem)
        self.out.notes.add(changes.notes)

    def _inputs(self, tile: Tile) -> Inputs:
        """Return what a record is made from: image, instances and label map, where they are."""
        scene, root = self.dataset.scenes[tile.scene], self.dataset.root
        files = [root / name for name in (scene.image, scene.label) if name]
        if gray := self.dataset.gray_of(scene):
            files.append(gray)
        return Inputs('', files)

    def run(self, workers: int, progress: Callable[..., Iterator]) -> Iterator[str | None]:
        """Import the images that have no record yet; yield an error or None for each."""
        self.signature = signature_of(self.settings())
        done = self.out.done()
        todo = [tile for tile in self.plan.tiles if tile.stem not in done]
        with closing(ordered_map(self._one, todo, min(workers, len(todo)))) as stream:
            yield from progress(stream, total=len(todo))

    def defects(self) -> Counter:
        """Return what is wrong in the release, counted from the records of all images."""
        counts: Counter[str] = Counter()
        for stem in self.out.done():
            for note in Record.load(self.out.path(folder.INSTANCES, stem)).image.notes:
                number, _, what = note.partition(' ')
                counts[what] += int(number)
        return counts

    def _one(self, tile: Tile) -> str | None:
        try:
            self._import(tile)
        except SamrsError as error:
            line = str(error).replace(os.path.join(self.dataset.root, ''), '')
            record = self._record(tile, (0, 0), None)
            record.fail(line)
            record.write(self.out.path(folder.FAILED, tile.stem))
            return line
        self.out.path(folder.FAILED, tile.stem).unlink(missing_ok=True)
        return None

    def _import(self, tile: Tile) -> None:
        scene, inputs = self.dataset.scenes[tile.scene], self._inputs(tile)
        labels, instances = self.dataset.instances(scene)
        size = image_size(self.dataset.image_path(tile.scene))
        for box, instance in zip(labels.boxes, instances, strict=True):
            if tuple(instance['mask']['size'][::-1]) != size:
                height, width = instance['mask']['size']
                raise SamrsError(
                    f'{box.box_id}: a mask of {width} x {height} px; {scene.image} has '
                    f'{size[0]} x {size[1]} px'
                )
        notes: Counter[str] = Counter()
        record = self._record(tile, size, inputs.sha256())
        record.boxes = [
            self._box(number, box, instance, record.image, notes)
            for number, (box, instance) in enumerate(zip(labels.boxes, instances, strict=True), 1)
        ]
        self._write_semantic(tile, record.paint(self.policy), notes)
        record.image.notes = [f'{count} {what}' for what, count in sorted(notes.items()) if count]
        self.out.notes.add({tile.stem: inputs.note()})
        record.write(self.out.path(folder.INSTANCES, tile.stem))

    def _box(
        self, number: int, box: BoxLabel, instance: dict, image: ImageEntry, notes: Counter
    ) -> BoxEntry:
        label, mask, name = instance['label'], instance['mask'], instance['category']
        if name is not None and _index(self.dataset.table, name) != label:
            notes[CATEGORY] += 1
            for subset, table in _TABLES.items():
                notes[OTHER.format(subset)] += _index(table, name) == label
        notes[SIZE] += instance['size'] not in (None, masks.area(mask))
        polygon = box_ops.geometry([box]).polygons[0]
        bounds = box_ops.bounding_boxes(polygon[None])
        entry = BoxEntry.new(
            number=number,
            box_id=box.box_id,
            label=label,
            category=box.category,
            prompt=_prompt_of(box),
            polygon=polygon,
            scene_polygon=None if image.offset is None else polygon,
            prompt_box=bounds[0],  # the authors' prompts reach beyond the image
            status=KEPT,
            notes=box.notes,
        )
        entry.enter_mask(masks.Mask(mask), 'the released mask is empty')
        return entry

    def _write_semantic(self, tile: Tile, composed: np.ndarray, notes: Counter) -> None:
        target = self.out.path(folder.SEMANTIC, tile.stem)
        source = self.dataset.gray_of(self.dataset.scenes[tile.scene])
        if source is None:
            notes[NO_GRAY] = 1
            write_png(target, composed)
            return
        labels = read_label(source)
        check_values(labels, len(self.dataset.classes), source)
        if labels.shape != composed.shape:
            raise SamrsError(
                f'{source}: {labels.shape[1]} x {labels.shape[0]} px, the image has '
                f'{composed.shape[1]} x {composed.shape[0]} px'
            )
        notes[GRAY] = int(np.count_nonzero(labels != composed))
        atomic_write(target, source.read_bytes())

    def _record(self, tile: Tile, size: tuple[int, int], digest: str | None) -> Record:
        name, split = scene_of(tile.stem), None
        if self.dataset.classes == SIOR_CLASSES:
            split = 'trainval' if is_dior_trainval(tile.stem) else 'test'
        record = Record.of_image(
            path=self.dataset.scenes[tile.scene].image,
            scene=name,
            split=split,
            offset=[0, 0] if name == tile.stem else None,
            width=size[0],
            height=size[1],
            sha256=digest,
            notes=[],
        )
        record.signature = self.signature
        return record


def _index(table: ClassTable, name: str) -> int | None:
    try:
        return table.index(name)
    except UnknownClassError:
        return None


def _prompt_of(box: BoxLabel) -> str:
    return 'hbox' if box.polygon is None else 'rhbox'
