"""Actions of people on the masks of an image, and the file that they are added to.

``corrections/STEM.json`` is an object of ``image`` (the picture that people saw: ``width``,
``height`` in pixels and the ``sha256`` of its file) and ``actions``, in the order of their making.
Actions are only ever added: what was a mistake is taken back by another action.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from samrs_mm.core import masks
from samrs_mm.core.atomic import atomic_write, dump, load
from samrs_mm.core.errors import SamrsError
from samrs_mm.formats.annotated.entries import ADDED_BY, BoxEntry, Entry, ImageEntry, check_mask

ACCEPT, REJECT, CLASS, MASK, ADD, UNDO = 'accept', 'reject', 'class', 'mask', ADDED_BY, 'undo'
ACTIONS = (ACCEPT, REJECT, CLASS, MASK, ADD, UNDO)

_SEEN = ('width', 'height', 'sha256')
_CURE = 'put back a copy of it; without one, delete it (its corrections are lost) and run again'
_ID = 16
_NEVER = datetime.min.replace(tzinfo=timezone.utc)


class CorrectionsError(SamrsError):
    """A file of corrections can't be read or is not one, or an action can't be."""


@dataclass(slots=True)
class Action(Entry):
    """Something that a person did to one box.

    Args:
        id: Name of the action, unique in its file.
        action: One of ``ACTIONS``.
        box_id: The box; of ``add`` the new one's.
        polygon: Corners of the box as its record has them, by which it is known again when labels
            moved in their file; None of what was added.
        value: Of ``class`` the name, of ``mask`` the mask as RLE, of ``add`` ``category`` and
            ``segmentation``, of ``undo`` the id of the action that it takes back; else None.
        before: ``status``, ``category`` and ``segmentation`` before the action; of ``add`` and
            ``undo`` nothing.
        by: Who.
        when: Time as ISO 8601 with its offset.
        seconds: How long it took; None if not known.
    """

    id: str
    action: str
    box_id: str
    polygon: list | None
    value: dict | str | None
    before: dict
    by: str
    when: str
    seconds: float | None

    def check(self, place: str) -> None:
        """Check that the value is one of the action's; see ``Entry.check``."""
        if self.action not in ACTIONS:
            raise ValueError(
                f'{place}.action is {self.action!r:.40}; allowed: {", ".join(ACTIONS)}'
            )
        kinds: dict[str, type] = {CLASS: str, UNDO: str, MASK: dict, ADD: dict}
        kind = kinds.get(self.action, type(None))
        if not isinstance(self.value, kind):
            raise ValueError(f'{place}.value is {self.value!r:.40}; not a value of {self.action!r}')
        if (
            isinstance(self.value, dict)
            and self.action == ADD
            and (self.value.keys() != {'category', 'segmentation'})
        ):
            raise ValueError(f'{place}.value is {self.value!r:.40}; not category and segmentation')
        if self.seconds is not None and not 0 <= self.seconds < float('inf'):
            raise ValueError(f'{place}.seconds is {self.seconds!r}; expected 0 or more')

    @property
    def mask(self) -> dict | None:
        """The mask that it gives, if it gives one: that of ``accept`` is the accepted one."""
        if self.action == ACCEPT:
            return self.before.get('segmentation')
        if isinstance(self.value, dict):
            return self.value if self.action == MASK else self.value['segmentation']
        return None

    @property
    def moment(self) -> datetime:
        """``when`` as a time, in UTC where it names no zone; long ago where it is none."""
        try:
            found = datetime.fromisoformat(self.when.replace('Z', '+00:00'))  # 'Z' from 3.11 on
        except ValueError:
            return _NEVER
        return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def action_of(
    box: BoxEntry, action: str, value: Any = None, *, by: str, when: str,
    seconds: float | None = None,
) -> Action:  # fmt: skip
    """Return an action on a box of a record, as it is now; ``Corrections.add`` names it."""
    before = dict(status=box.status, category=box.category, segmentation=box.segmentation)
    polygon = None if box.is_added else box.polygon
    return Action('', action, box.box_id, polygon, value, before, by, when, seconds)


def added(
    category: str, segmentation: dict, *, by: str, when: str, seconds: float | None = None
) -> Action:
    """Return the action of adding an object; ``Corrections.add`` names it and its box."""
    value = dict(category=category, segmentation=segmentation)
    return Action('', ADD, '', None, value, {}, by, when, seconds)


def undo_of(action: Action, *, by: str, when: str, seconds: float | None = None) -> Action:
    """Return the action that takes back another."""
    return Action('', UNDO, action.box_id, action.polygon, action.id, {}, by, when, seconds)


@dataclass(slots=True)
class Corrections:
    """What people decided about an image.

    Args:
        stem: Name of the image.
        image: The picture that they saw, see above.
        actions: What they did.
    """

    stem: str
    image: dict[str, Any]
    actions: list[Action] = field(default_factory=list)

    @classmethod
    def of(cls, stem: str, image: ImageEntry) -> 'Corrections':
        """Return the corrections of an image that has none yet."""
        return cls(stem, {name: getattr(image, name) for name in _SEEN})

    @classmethod
    def load(cls, path: Path) -> 'Corrections':
        """Read a file of corrections; its masks fill the image.

        Raises:
            CorrectionsError: Not such a file, or damaged.
        """
        try:
            data = load(path.read_bytes())
            if not isinstance(data, dict) or data.keys() != {'image', 'actions'}:
                raise ValueError('not an object of image and actions')
            return cls(path.stem, _seen(data['image']), _actions(data))
        except OSError as error:
            raise CorrectionsError(f'{path}: cannot read it: {error.strerror}') from error
        except ValueError as error:
            raise CorrectionsError(f'{path}: damaged corrections: {error}; {_CURE}') from error

    def dump(self) -> bytes:
        """Return the file; equal corrections, equal bytes."""
        return dump(dict(image=self.image, actions=[each.as_dict() for each in self.actions]))

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: It can't be written.
        """
        path.parent.mkdir(exist_ok=True)
        atomic_write(path, self.dump())

    def add(self, action: Action) -> Action:
        """Add an action at the end, with a name of its own; return it."""
        known = {each.id for each in self.actions}
        text, salt = json.dumps(action.as_dict(), sort_keys=True), 0
        while not action.id or action.id in known:
            action.id = hashlib.sha256(f'{text}#{salt}'.encode()).hexdigest()[:_ID]
            salt += 1
        if action.action == ADD and not action.box_id:
            action.box_id = f'corrections/{self.stem}.json:{action.id}'
        self.actions.append(action)
        return action

    @property
    def standing(self) -> list[Action]:
        """The actions that no other takes back, but for those that take back."""
        return standing(self.actions)

    @property
    def digest(self) -> str:
        """Hash of what stands, as hex; empty where nothing does."""
        found = [each.as_dict() for each in self.standing]
        return hashlib.sha256(dump([self.image, found])).hexdigest() if found else ''

    def is_of(self, image: ImageEntry) -> bool:
        """Whether an image is the picture that people saw."""
        return self.image == {name: getattr(image, name) for name in _SEEN}


def last_change(corrections: Corrections | None, box: BoxEntry) -> datetime:
    """Return when a box of a record was last acted on, of what stands; long ago if never.

    It is known by its name or, where labels moved in their file, by its corners.
    """
    known = corrections.standing if corrections else []
    of_box = (each for each in known if box.box_id == each.box_id or box.polygon == each.polygon)
    return max((each.moment for each in of_box), default=_NEVER)


def standing(actions: Sequence[Action]) -> list[Action]:
    """Return the actions that no later one takes back, without ``undo`` itself, in order.

    With an added object goes all that was done to it.
    """
    back: set[Any] = set()
    for each in reversed(actions):
        if each.action == UNDO and each.id not in back:
            back.add(each.value)
    gone = {each.box_id for each in actions if each.action == ADD and each.id in back}
    return [
        each
        for each in actions
        if each.action != UNDO and each.id not in back and each.box_id not in gone
    ]


def _seen(image: Any) -> dict[str, Any]:
    if not isinstance(image, dict) or image.keys() != set(_SEEN):
        raise ValueError(f'image is {image!r:.60}; expected {", ".join(_SEEN)}')
    if not all(type(image[name]) is int and image[name] > 0 for name in _SEEN[:2]):
        raise ValueError(f'image is {image!r:.60}; expected a size in pixels')
    return image


def _actions(data: dict[str, Any]) -> list[Action]:
    """Return the checked actions of a file."""
    if not isinstance(data['actions'], list):
        raise ValueError(f'actions is {data["actions"]!r:.40}; expected a list')
    size, found = [data['image']['height'], data['image']['width']], []
    ids: set[str] = set()
    for number, value in enumerate(data['actions']):
        place = f'actions[{number}]'
        action = Action.from_json(value, place)
        if not action.id or action.id in ids:
            raise ValueError(f'{place}.id is {action.id!r}: empty, or that of another action')
        if action.action == UNDO and action.value not in ids:
            raise ValueError(f'{place}.value is {action.value!r:.40}: no action before it')
        check_mask(action.mask, size, place)
        if action.action in (MASK, ADD) and not masks.area(action.mask):  # type: ignore[arg-type]
            raise ValueError(f'{place}: a mask without a pixel; reject the box instead')
        ids.add(action.id)
        found.append(action)
    return found
