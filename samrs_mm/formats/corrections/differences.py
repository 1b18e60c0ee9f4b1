"""What people changed on an image, as actions: compared with what they were shown.

What was not touched gives no action, so that its mask stays bit for bit, holes and all.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.classes import ClassTable, UnknownClassError
from samrs_mm.formats.annotated.entries import ADDED, REJECTED, BoxEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import (
    ACCEPT,
    CLASS,
    MASK,
    REJECT,
    Action,
    action_of,
    added,
)
from samrs_mm.formats.corrections.retraced import is_retraced, matched, rendered, with_line
from samrs_mm.formats.corrections.shapes import (
    EditedImage,
    EditError,
    Shape,
    Shown,
    check_ring,
    mask_digest,
    ring_digest,
)
from samrs_mm.formats.exports.outlines import outline

SAME, HOLES = 'same', 'holes'
"""Counts beside those of actions: boxes that nobody touched, and holes that changed masks keep."""


@dataclass
class Found:
    """The actions that an edited image comes to, and how many there are of each kind."""

    actions: list[Action] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)


def differences_of(
    edited: EditedImage, record: Record, table: ClassTable, by: str, when: str
) -> Found:
    """Compare an edited image with its record.

    Args:
        edited: The image as it comes back.
        record: Its record as it is now.
        table: The classes of the folder.
        by: Who edited it.
        when: When, as ISO 8601.

    Raises:
        EditError: It is of another size, names what is not there, has a shape that covers nothing
            or crosses itself, or changes a mask that was corrected in the meantime.
    """
    try:
        return _Comparison(edited, record, table, dict(by=by, when=when)).run()
    except ValueError as error:
        raise EditError(f'{edited.file}: {error}') from error


class _Comparison:
    def __init__(self, edited: EditedImage, record: Record, table: ClassTable, who: dict):
        self.edited, self.record, self.table, self.who = edited, record, table, who
        self.size = [record.image.width, record.image.height]
        self.boxes = {box.box_id: box for box in record.boxes}
        self.found = Found()
        self.line = edited.line

    def run(self) -> Found:
        size = [self.edited.width, self.edited.height]
        if size != self.size:
            raise ValueError(
                f'is of {size[0]} x {size[1]} px, {self.edited.stem} has {self.size[0]} x '
                f'{self.size[1]} px; is it of another picture?'
            )
        shown = self.edited.shown
        if shown is None:
            shown = {box.box_id: _shown(box) for box in self.record.kept}
        for box_id in shown:
            if box_id not in self.boxes:
                raise ValueError(
                    f'box {box_id} is not in {self.edited.stem} (any more); export it anew'
                )
        by_box, new = self._sorted(shown)
        if self.edited.retraced:
            self._match(shown, by_box, new)
        for box_id, about in shown.items():
            self._of_box(self.boxes[box_id], about, by_box.get(box_id, []))
        for shapes in new:
            self._new(shapes)
        return self.found

    def _sorted(self, shown: dict[str, Shown]) -> tuple[dict[str, list[Shape]], list[list[Shape]]]:
        """Return the shapes of each box, and those of each new object."""
        by_box: dict[str, list[Shape]] = {}
        groups: dict[Any, list[Shape]] = {}
        numbers = {self.boxes[box_id].id: box_id for box_id in shown}
        for number, shape in enumerate(self.edited.shapes):
            if shape.box_id is not None and shape.box_id not in shown:
                raise ValueError(
                    f'{shape.place}.box_id is {shape.box_id!r}; no box of {self.edited.stem} that '
                    'was exported; take the key out if the shape is new'
                )
            grouped = isinstance(shape.group, int | str) and shape.group != ''
            if shape.box_id is not None:
                by_box.setdefault(shape.box_id, []).append(shape)
            elif grouped and shape.group in numbers:  # one part more
                by_box.setdefault(numbers[shape.group], []).append(shape)
            else:
                key = ('group', shape.group) if grouped else ('alone', number)
                groups.setdefault(key, []).append(shape)
        new = list(groups.values())
        for box_id, shapes in by_box.items():
            by_box[box_id], copies = _without_copies(shapes, shown[box_id])
            new += [[copy] for copy in copies]
        return by_box, new

    def _of_box(self, box: BoxEntry, shown: Shown, shapes: list[Shape]) -> None:
        if not shapes:
            if box.status != REJECTED:
                self._refuse_other(box, shown)
                self._act(box, REJECT)
            return
        label, mask = self._label(shapes), None
        if not self._untouched(box, shapes, shown):
            if all(shape.bare for shape in shapes) and box.segmentation:
                raise ValueError(
                    f'{shapes[0].place} is a box without a mask, where {box.box_id} has one, which '
                    'would be lost; let the tool export masks or polygons, or draw one'
                )
            as_shown = mask_digest(box) == shown.mask
            mask = self._mask(shapes, box if as_shown else None, self.line)
            if not as_shown and box.segmentation and _filled(mask) == _filled(box.segmentation):
                mask = None  # this edit came before, and the holes stayed
        new_class = label != shown.category and label != box.category
        new_mask = mask is not None and mask != box.segmentation
        if new_class or new_mask:
            self._refuse_other(box, shown)
        if new_mask:
            self._act(box, MASK, mask)
        if new_class:
            self._act(box, CLASS, label)
        if new_class or new_mask:
            return
        self.found.counts[SAME] += 1
        if self.edited.checked and not box.edited:
            self._refuse_other(box, shown)
            self._act(box, ACCEPT)

    def _match(
        self, shown: dict[str, Shown], by_box: dict[str, list[Shape]], new: list[list[Shape]]
    ) -> None:
        """Give new objects to the boxes they overlap; say how polygons of this file are filled."""
        width, height = self.size
        left = [self.boxes[box_id] for box_id in shown if box_id not in by_box]
        found = matched(new, left, height, width)
        for number, place in found.items():
            by_box[left[place].box_id] = new[number]
        new[:] = [shapes for number, shapes in enumerate(new) if number not in found]
        same = [
            (shapes, self.boxes[box_id])
            for box_id, shapes in by_box.items()
            if is_retraced(shapes, self.boxes[box_id])
        ]
        self.line = with_line(same, height, width, self.edited.line)

    def _untouched(self, box: BoxEntry, shapes: list[Shape], shown: Shown) -> bool:
        """Whether the shapes of a box are those that were shown."""
        if self.edited.retraced:
            return is_retraced(shapes, box)
        rings = [ring_digest(shape.ring) for shape in shapes if shape.ring is not None]
        return len(rings) == len(shapes) and sorted(rings) == sorted(shown.rings)

    def _act(self, box: BoxEntry, action: str, value: Any = None) -> None:
        self.found.actions.append(action_of(box, action, value, **self.who))
        self.found.counts[action] += 1

    def _refuse_other(self, box: BoxEntry, shown: Shown) -> None:
        """Refuse a change of a mask or class that is no longer what people were shown."""
        if mask_digest(box) != shown.mask or box.category != shown.category:
            raise ValueError(
                f'two edits of {box.box_id}: it was changed here, and in {self.edited.stem} since '
                'it was exported; export it anew, and make the edit there'
            )

    def _new(self, shapes: list[Shape]) -> None:
        label, mask = self._label(shapes), self._mask(shapes, None, self.line and self.edited.line)
        for box in self.record.boxes:
            same = box.segmentation == mask and box.category == label
            if box.is_added and same and box.status in (ADDED, REJECTED):
                return  # it came before
        self.found.actions.append(added(label, mask, **self.who))
        self.found.counts['add'] += 1

    def _label(self, shapes: list[Shape]) -> str:
        """Return the class of an object, as the folder spells it."""
        names = {}
        for shape in shapes:
            try:
                names[self.table.classes[self.table.index(shape.label)]] = shape
            except UnknownClassError as error:
                raise ValueError(f'{shape.place}: {error}') from error
        if len(names) > 1:
            first, second = list(names.items())[:2]
            raise ValueError(
                f'{first[1].place} and {second[1].place} are parts of one object, but of the '
                f'classes {first[0]!r} and {second[0]!r}; give them one'
            )
        return next(iter(names))

    def _mask(self, shapes: list[Shape], box: BoxEntry | None, line: bool) -> dict:
        """Return the mask of an object's shapes; holes of what was the mask of ``box`` stay."""
        width, height = self.size
        rings = [shape.ring for shape in shapes if shape.ring is not None]
        for shape in shapes:
            # Nobody can mend what a tool traced.
            if shape.ring is not None and not self.edited.line:
                check_ring(shape.ring, shape.place, self.size)
        whole = rendered(shapes, height, width, line)
        if box is not None and box.segmentation is not None and len(rings) == len(shapes):
            whole = self._with_holes(whole, rings, box.segmentation)
        if not whole.any():
            raise ValueError(f'{shapes[0].place} covers no pixel of the image; delete it instead')
        return masks.encode(whole)

    def _with_holes(self, whole: np.ndarray, rings: list[np.ndarray], old: dict) -> np.ndarray:
        """Return a changed mask with the holes that its polygons could not show."""
        before = outline(old)
        if not before.holes:
            return whole
        holes = masks.decode(_filled(old)) & ~masks.decode(old)
        step = _moved(before.parts, rings)
        if step is not None:
            holes = _shifted(holes, *step)
        self.found.counts[HOLES] += before.holes
        return whole & ~holes


def _filled(mask: dict) -> dict:
    """Return a mask without its holes."""
    height, width = mask['size']
    parts = [masks.fill_polygon(part, height, width) for part in outline(mask).parts]
    return masks.encode(np.logical_or.reduce(parts)) if parts else mask


def _shown(box: BoxEntry) -> Shown:
    rings = [ring_digest(part) for part in outline(box.mask).parts]
    return Shown(mask_digest(box), box.category, rings)


def _without_copies(shapes: list[Shape], shown: Shown) -> tuple[list[Shape], list[Shape]]:
    """Return the shapes of a box, and copies that somebody made of one and moved.

    Raises:
        ValueError: Two shapes are the same part, and it can't be told which is the copy.
    """
    by_part: dict[Any, list[Shape]] = {}
    for number, shape in enumerate(shapes):
        key = ('more', number) if shape.part is None else shape.part
        by_part.setdefault(key, []).append(shape)
    own, copies = [], []
    for same in by_part.values():
        if len(same) == 1:
            own += same
            continue
        kept = [
            each for each in same if each.mask is None and ring_digest(each.ring) in shown.rings
        ]
        if len(kept) != 1:
            raise ValueError(
                f'two edits of {same[0].box_id}: {same[0].place} and {same[1].place} are the same '
                'part of it; delete one of them'
            )
        own += kept
        copies += [each for each in same if each is not kept[0]]
    return own, copies


def _moved(before: list[np.ndarray], rings: list[np.ndarray]) -> tuple[int, int] | None:
    """Return by how many pixels x, y all rings were moved as they are; None if they were not."""
    if [len(ring) for ring in before] != [len(ring) for ring in rings]:
        return None
    steps = np.concatenate([now - old for old, now in zip(before, rings, strict=True)])
    step = np.round(steps[0])
    if not step.any() or np.abs(steps - step).max() > 0.5:
        return None
    return int(step[0]), int(step[1])


def _shifted(pixels: np.ndarray, x: int, y: int) -> np.ndarray:
    """Return ``(H, W)`` bool moved by x, y pixels; what leaves the image is gone."""
    height, width = pixels.shape
    moved = np.zeros_like(pixels)
    if abs(x) < width and abs(y) < height:
        to = np.s_[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]
        of = np.s_[max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)]
        moved[to] = pixels[of]
    return moved
