"""Two people's corrections of one image put together."""

from collections.abc import Sequence
from typing import Any

from samrs_mm.formats.corrections.actions import (
    ADD,
    CLASS,
    REJECT,
    UNDO,
    Action,
    Corrections,
    CorrectionsError,
    standing,
)


def merged(ours: Corrections, theirs: Corrections) -> list[Action]:
    """Return the actions of another file that ours lacks, to be added to it.

    Where both go on from what they have in common, they may be about other boxes, or come to the
    same.

    Raises:
        CorrectionsError: The files are of different pictures, or people decided otherwise on a box.
    """
    if ours.image != theirs.image:
        raise CorrectionsError('its corrections were made on another picture')
    known = {each.id for each in ours.actions}
    common = known & {each.id for each in theirs.actions}
    new = [each for each in theirs.actions if each.id not in known]
    mine = [each for each in ours.actions if each.id not in common]
    for box_id in sorted({each.box_id for each in new} & {each.box_id for each in mine}):
        here, there = _outcome(ours.actions, box_id), _outcome(theirs.actions, box_id)
        if here != there:
            first = _last(mine, box_id)
            second = _last(new, box_id)
            raise CorrectionsError(
                f'two edits of {box_id}: {first.action} by {first.by} here, {second.action} by '
                f'{second.by} there; take one of them back'
            )
    return new


def _last(actions: Sequence[Action], box_id: str) -> Action:
    return [each for each in actions if each.box_id == box_id][-1]


def _outcome(actions: Sequence[Action], box_id: str) -> tuple[Any, ...]:
    """Return what actions on a box come to: whether it is rejected, its class and its mask."""
    rejected, name, mask = None, None, None
    for each in standing(actions):
        if each.box_id != box_id:
            continue
        assert each.action != UNDO
        rejected = each.action == REJECT
        if each.action == CLASS:
            name = each.value
        elif each.action == ADD and isinstance(each.value, dict):
            name = each.value['category']
        mask = each.mask or mask
    return rejected, name, mask
