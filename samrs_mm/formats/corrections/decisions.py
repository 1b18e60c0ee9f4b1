"""Decisions of the review report: what somebody pressed a key for, mask by mask."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samrs_mm.core.classes import ClassTable, UnknownClassError
from samrs_mm.formats.annotated.entries import REJECTED
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import ACCEPT, CLASS, REJECT, Action, action_of
from samrs_mm.formats.corrections.shapes import EditError, mask_digest, parsed

DECIDED = (ACCEPT, REJECT, CLASS)
"""What can be decided by a key."""
_KEYS = {'stem', 'box_id', 'mask', 'action', 'value', 'when', 'seconds'}


@dataclass(slots=True)
class Decision:
    """A decision on a mask.

    Args:
        stem: Name of the image.
        box_id: The box.
        mask: Digest of the mask that was looked at (``mask_digest``).
        action: One of ``DECIDED``.
        value: Of ``class`` its name, else None.
        when: Time as ISO 8601.
        seconds: How long the mask was looked at; None if that is not known.
    """

    stem: str
    box_id: str
    mask: str
    action: str
    value: str | None
    when: str
    seconds: float | None

    def check(self, place: str) -> None:
        """Raise ValueError where a value can't be."""
        texts = self.stem, self.box_id, self.mask, self.when
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f'{place} has a name or a time that is no text')
        if self.action not in DECIDED:
            raise ValueError(
                f'{place}.action is {self.action!r:.40}; allowed: {", ".join(DECIDED)}'
            )
        if not isinstance(self.value, str if self.action == CLASS else type(None)):
            raise ValueError(f'{place}.value is {self.value!r:.40}; not a value of {self.action!r}')
        if self.seconds is not None and not (
            type(self.seconds) in (int, float) and 0 <= self.seconds < float('inf')
        ):
            raise ValueError(f'{place}.seconds is {self.seconds!r:.40}; expected 0 or more')


def is_decisions(data: Any) -> bool:
    """Whether parsed JSON is a file of the report."""
    return isinstance(data, dict) and data.keys() == {'by', 'decisions'}


def read_decisions(path: Path) -> tuple[str, dict[str, list[Decision]]]:
    """Return who decided, and the decisions by image.

    Raises:
        EditError: Not a file of the report, or two decisions on one mask.
    """
    try:
        data = parsed(path)
        if not is_decisions(data) or not isinstance(data['decisions'], list):
            raise ValueError('not decisions that the review report saved')
        found: dict[str, list[Decision]] = {}
        seen: dict[tuple[str, str], int] = {}
        for number, value in enumerate(data['decisions']):
            place = f'decisions[{number}]'
            if not isinstance(value, dict) or value.keys() != _KEYS:
                raise ValueError(f'{place} is {value!r:.60}; expected {", ".join(sorted(_KEYS))}')
            decision = Decision(**value)
            decision.check(place)
            first = seen.setdefault((decision.stem, decision.box_id), number)
            if first != number:
                raise ValueError(f'decisions[{first}] and {place} are on one mask; take one out')
            found.setdefault(decision.stem, []).append(decision)
        if not isinstance(data['by'], str):
            raise ValueError(f'by is {data["by"]!r:.40}; expected the name of who decided')
        return data['by'], found
    except OSError as error:
        raise EditError(f'{path}: cannot read it: {error.strerror}') from error
    except ValueError as error:
        raise EditError(f'{path}: {error}') from error


def actions_of(
    decisions: list[Decision], record: Record, table: ClassTable, by: str
) -> list[Action]:
    """Return the actions that decisions on an image come to; none for what is so already.

    Raises:
        EditError: No such box or class, or its mask is not the one that was looked at.
    """
    boxes, found = {box.box_id: box for box in record.boxes}, []
    for each in decisions:
        box = boxes.get(each.box_id)
        if box is None:
            raise EditError(f'{each.stem} has no box {each.box_id} (any more)')
        try:
            value = None if each.value is None else table.classes[table.index(each.value)]
        except UnknownClassError as error:
            raise EditError(f'{each.box_id}: {error}') from error
        done = {
            ACCEPT: box.edited[-1:] == [ACCEPT],
            REJECT: box.status == REJECTED,
            CLASS: box.category == value,
        }
        if done[each.action]:
            continue
        if mask_digest(box) != each.mask:
            raise EditError(
                f'two edits of {each.box_id}: its mask in {each.stem} is not the one that was '
                'looked at; look at it as it is now (a report has to be written again), and decide '
                'anew'
            )
        found.append(
            action_of(box, each.action, value, by=by, when=each.when, seconds=each.seconds)
        )
    return found
