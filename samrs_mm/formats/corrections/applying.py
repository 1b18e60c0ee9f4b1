"""Corrections entered into records, and taken out again.

A record holds what is in the dataset: the hand's where there is one, with the machine's beside it.
Taken out, it is the record that the machine wrote, byte for byte once it is painted again.
"""

from collections.abc import Sequence

import numpy as np

from samrs_mm.core import boxes as box_ops
from samrs_mm.core import masks
from samrs_mm.core.classes import ClassTable, UnknownClassError
from samrs_mm.formats.annotated.entries import (
    ADDED,
    CORRECTED,
    EMPTY,
    FILTERED,
    KEPT,
    MACHINE_KEYS,
    OUTSIDE,
    REJECTED,
    BoxEntry,
)
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import (
    ADD,
    CLASS,
    REJECT,
    Action,
    Corrections,
)

HAND = 'hand'
"""Prompt of what was added: there is none."""
BY_HAND = 'rejected by hand'
"""Reason of what was rejected."""
CORRECTABLE = (KEPT, EMPTY, FILTERED, OUTSIDE, box_ops.MASKLESS)
"""Statuses of boxes that can be corrected, as the machine left them."""


class MisfitError(ValueError):
    """An action does not fit the record any more."""


def restore(record: Record) -> None:
    """Give a record the boxes that the machine left; visible areas are known once it is painted."""
    record.boxes = [box for box in record.boxes if not box.is_added]
    for box in record.boxes:
        for key, value in box.machine.items():
            setattr(box, key, value)
        if box.edited:
            box.machine, box.edited, box.seconds, box.visible_area = {}, [], 0, 0
    record.corrections = None


def enter(record: Record, corrections: Corrections | None, classes: Sequence[str]) -> list[Action]:
    """Enter what people decided into a record, in place of what was in it before.

    The record has to be painted next.

    Returns:
        The actions that do not fit any more; ``record.corrections['stale']`` has a line for each.
    """
    restore(record)
    if corrections is None or not corrections.digest:
        return []
    if corrections.is_of(record.image):
        misfits = _enter(record, corrections.standing, ClassTable(tuple(classes)))
        stale = list(misfits.values())
    else:
        misfits = {each.id: '' for each in corrections.standing}
        stale = ['all of them were made on another picture']
    record.corrections = dict(sha256=corrections.digest, **(dict(stale=stale) if stale else {}))
    return [each for each in corrections.standing if each.id in misfits]


def _enter(record: Record, actions: list[Action], table: ClassTable) -> dict[str, str]:
    """Enter actions; return why some do not fit, by their id."""
    boxes, stale = _Boxes(record), {}
    for action in actions:
        try:
            box = _added(record, action, table) if action.action == ADD else boxes.of(action)
            boxes.note(box)
            if action.action != ADD:
                _change(box, action, table)
        except MisfitError as error:
            stale[action.id] = f'{action.action} of {action.box_id} by {action.by}: {error}'
            continue
        box.edited.append(action.action)
        box.seconds = round(box.seconds + (action.seconds or 0), 3)
    boxes.close()
    return stale


class _Boxes:
    """The boxes of a record while actions are entered into it."""

    def __init__(self, record: Record):
        self.by_id = {box.box_id: box for box in record.boxes}
        self.labelled = list(record.boxes)
        self.before: dict[str, dict] = {}

    def of(self, action: Action) -> BoxEntry:
        """Return the box of an action, also where it stands in another place of the labels.

        Raises:
            MisfitError: There is none, or it is one that has no mask to correct.
        """
        box = self.by_id.get(action.box_id)
        if box is None or (action.polygon is not None and box.polygon != action.polygon):
            same = [each for each in self.labelled if each.polygon == action.polygon]
            if len(same) != 1:
                raise MisfitError(
                    'the labels have no such box any more' if box is None
                    else 'the box is another now'
                )  # fmt: skip
            (box,) = same
        status = self.before.get(box.box_id, dict(status=box.status))['status']
        if not box.is_added and status not in CORRECTABLE:
            raise MisfitError(f'the box is {status}, which has no mask to correct')
        return box

    def note(self, box: BoxEntry) -> None:
        """Remember what the machine gave of a box, before it is changed."""
        if box.box_id not in self.before:
            self.before[box.box_id] = {key: getattr(box, key) for key in MACHINE_KEYS}
            self.by_id[box.box_id] = box

    def close(self) -> None:
        """Give changed boxes their status, and the machine's values beside the hand's."""
        for box_id, before in self.before.items():
            box = self.by_id[box_id]
            if box.is_added:
                continue
            if box.status != REJECTED and box.edited:
                same = (
                    box.category == before['category']
                    and box.segmentation == (before['segmentation'])
                )
                box.status, box.reason = KEPT if same else CORRECTED, ''
            now = {key: getattr(box, key) for key in MACHINE_KEYS}
            box.machine = before if now != before else {}


def _added(record: Record, action: Action, table: ClassTable) -> BoxEntry:
    """Append what was added to a record."""
    assert isinstance(action.value, dict)
    label = _label(table, action.value['category'])
    x, y, width, height = masks.bbox(action.value['segmentation'])
    corners = box_ops.corners(np.array([[x, y, x + width, y + height]], float))[0]
    offset = record.image.offset
    box = BoxEntry.new(
        number=max((each.id for each in record.boxes), default=0) + 1,
        box_id=action.box_id,
        label=label,
        category=table.classes[label],
        prompt=HAND,
        polygon=corners,
        scene_polygon=None if offset is None else corners + np.array(offset, float),
        prompt_box=None,
        status=ADDED,
    )
    _give_mask(box, action.value['segmentation'], ADDED)
    record.boxes.append(box)
    return box


def _change(box: BoxEntry, action: Action, table: ClassTable) -> None:
    """Change a box as an action says; its status is settled at the end."""
    if action.action == REJECT:
        box.status, box.reason, box.visible_area = REJECTED, BY_HAND, 0
        return
    if action.action == CLASS:
        if box.segmentation is None:
            raise MisfitError('the box has no mask')
        label = _label(table, str(action.value))
        box.category, box.category_id = table.classes[label], label + 1
    elif action.mask is None:
        raise MisfitError('there was no mask')
    elif action.mask != box.segmentation:
        _give_mask(box, action.mask, CORRECTED)
    box.status, box.reason = ADDED if box.is_added else CORRECTED, ''


def _give_mask(box: BoxEntry, mask: dict, status: str) -> None:
    box.enter_mask(masks.Mask(mask), '')
    box.status = status
    if box.prompt == HAND:  # the polygon is of the mask itself
        box.coverage = box.leakage = None


def _label(table: ClassTable, name: str) -> int:
    try:
        return table.index(name)
    except UnknownClassError as error:
        raise MisfitError(f'there is no class {name!r} any more') from error
