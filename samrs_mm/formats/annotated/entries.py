"""What a record holds: an image and its boxes, as objects of JSON with a fixed set of keys.

What a label says of a box beyond its corners stands in three places of its entry: whether it is one
object at all in ``status`` (``crowd``, ``ignored``), marks of the format in ``flags``
(``difficult``, ``truncated``), and what was done to it on the way, a line each, in ``notes``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin, get_type_hints

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.boxes import CROWD, IGNORED, MASKLESS
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.grid import GRID

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

KEPT, EMPTY, OUTSIDE, DEGENERATE, FILTERED = 'kept', 'empty', 'outside', 'degenerate', 'filtered'
FAILED = 'failed'
REGIONS = (CROWD, IGNORED)
"""Statuses of what is no single object: never prompted, in no label map, ``iscrowd`` 1 in COCO."""
ADDED_BY = 'add'
"""The first action on a box that stands in no label."""
BOX_STATUSES = (KEPT, EMPTY, OUTSIDE, DEGENERATE, FILTERED, *REGIONS, MASKLESS)
"""Statuses of a box in an image that was processed."""
CORRECTED, REJECTED, ADDED = 'corrected', 'rejected', 'added'
HAND_STATUSES = (CORRECTED, REJECTED, ADDED)
"""Statuses that people's corrections give: another mask or class, no object, an object more."""
HELD = (KEPT, CORRECTED, ADDED)
"""Statuses of boxes whose masks are in the dataset."""
MACHINE_KEYS = (
    'category_id', 'category', 'status', 'reason', 'score', 'stability', *masks.MEASURES, 'bbox',
    'area', 'segmentation',
)  # fmt: skip
"""Fields of a box that the hand's values take the place of."""


class Entry:
    """Base of the parts of a record: dataclasses whose fields are the keys in the file."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]
    optional: frozenset[str] = frozenset()
    """Keys that are left out where they hold nothing, as they are in files of earlier formats."""

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as it stands in the file."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {k: v for k, v in values.items() if v or k not in self.optional}

    @classmethod
    def from_json(cls, value: Any, place: str) -> 'Self':
        """Make an entry of parsed JSON; ``place`` says in messages where it stands.

        Raises:
            ValueError: Not an object with the entry's keys and no others, or a value of another
                type.
        """
        if not isinstance(value, dict):
            raise ValueError(f'{place} is {value!r:.40}; expected an object')
        types = _types(cls)  # type: ignore[arg-type]  # classes are hashable
        lacking, unknown = types.keys() - value.keys() - cls.optional, value.keys() - types.keys()
        if lacking or unknown:
            problem = f'no {min(lacking)!r}' if lacking else f'unknown key {min(unknown)!r}'
            raise ValueError(f'{place}: {problem}')
        for name, found in value.items():
            if not isinstance(found, types[name]):
                names = ' or '.join(kind.__name__ for kind in types[name])
                names = names.replace('NoneType', 'null')
                raise ValueError(f'{place}.{name} is {found!r:.40}; expected {names}')
        entry = cls(**value)
        entry.check(place)
        return entry

    def check(self, place: str) -> None:
        """Raise a ValueError where a value can't be, though its type is right."""


@cache
def _types(kind: type[Entry]) -> dict[str, tuple[type, ...]]:
    """Return the classes that a value of each field may have."""
    hints = get_type_hints(kind)
    types = {}
    for name in kind.__dataclass_fields__:
        parts = get_args(hints[name]) if isinstance(hints[name], UnionType) else (hints[name],)
        allowed = [get_origin(part) or part for part in parts]
        types[name] = (*allowed, int) if float in allowed else tuple(allowed)
    return types


@dataclass(slots=True)
class ImageEntry(Entry):
    """The image of a record.

    Args:
        path: File of the scene, relative to the data root.
        scene: Name of the scene.
        split: Part of the dataset it belongs to, if it has parts.
        offset: x, y of the tile in its scene in pixels; None where that is not known.
        width: Width in pixels.
        height: Height in pixels.
        sha256: Hash of the scene's file as hex; None if it could not be read.
        notes: What users should know of the image, one line each.
    """

    path: str
    scene: str
    split: str | None
    offset: list[int] | None
    width: int
    height: int
    sha256: str | None
    notes: list[str]

    def check(self, place: str) -> None:
        """Check lengths and size; see ``Entry.check``."""
        if min(self.width, self.height) < 0:
            raise ValueError(f'{place} is of {self.width} x {self.height} px')
        if self.offset is not None and len(self.offset) != 2:
            raise ValueError(f'{place}.offset is {self.offset!r:.40}; expected x, y')


@dataclass(slots=True)
class BoxEntry(Entry):
    """A box of an image and its mask.

    Args:
        id: Position in the image's label order, from 1; what was added follows.
        box_id: Place of the box in the labels, of a mask without box in the grid of points, or of
            what was added in its file of corrections.
        category_id: Class index + 1, as in COCO files.
        category: Class name.
        polygon: Four corners x, y in pixels of this image, unclipped; None for NaN. Without a box
            they are the corners of ``bbox``.
        scene_polygon: The same in pixels of the scene; None where its place is not known.
        prompt: Name of the prompt setting.
        prompt_box: x0, y0, x1, y1 in pixels that the segmentor sees; None if it sees no box.
        status: One of ``BOX_STATUSES`` or ``HAND_STATUSES``, or ``failed`` in the record of a
            failure.
        reason: Why there is no mask, or why it is filtered; empty otherwise.
        score: Predicted IoU, if the segmentor gives one.
        stability: Stability score, if the segmentor gives one.
        fill: See ``masks.measure``, as for the four that follow; None without a mask.
        coverage: Fraction of ``polygon`` that the mask covers; None without a box.
        leakage: Fraction of the mask outside ``polygon``; None without a box.
        components: 8-connected parts of the mask.
        at_border: Whether the mask touches the image's border.
        bbox: x, y, width, height of the mask in pixels; None without one.
        area: Pixels of the mask.
        visible_area: Pixels that no other mask covers.
        segmentation: The mask before overlap, kept or filtered, as COCO RLE with text counts; of a
            crowd or an ignored region its pixels (of its box where the labels give no more).
        flags: Marks of the labels that aren't 0, by name, as ``difficult``.
        notes: What was done to the box on the way, one line each (``BoxLabel.notes``).
        edited: What people did to it (actions of ``formats.corrections``), in order.
        seconds: How long that took them, as far as it is known.
        machine: What the segmentor gave, by field (``MACHINE_KEYS``), where a hand changed it.
    """

    optional = frozenset({'flags', 'notes', 'edited', 'seconds', 'machine'})

    id: int
    box_id: str
    category_id: int
    category: str
    polygon: list[list[float | None]]
    scene_polygon: list[list[float | None]] | None
    prompt: str
    prompt_box: list[float] | None
    status: str
    reason: str
    score: float | None = None
    stability: float | None = None
    fill: float | None = None
    coverage: float | None = None
    leakage: float | None = None
    components: int | None = None
    at_border: bool | None = None
    bbox: list[int] | None = None
    area: int = 0
    visible_area: int = 0
    segmentation: dict | None = None
    flags: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    edited: list = field(default_factory=list)
    seconds: float = 0
    machine: dict = field(default_factory=dict)

    @classmethod
    def new(
        cls, number: int, box_id: str, label: int, category: str, prompt: str, polygon: np.ndarray,
        scene_polygon: np.ndarray | None, prompt_box: np.ndarray | None, status: str,
        reason: str = '', flags: Mapping[str, int] | None = None, notes: Sequence[str] = (),
    ) -> 'Self':  # fmt: skip
        """Make the entry of a labelled box, before it has a mask; ``status`` may be ``'ok'``.

        Arguments are the fields, but for ``number`` (the id), ``label`` (the class index, from 0)
        and arrays instead of lists: corners ``(4, 2)`` and the prompt box ``(4,)``.
        """
        return cls(
            number, box_id, label + 1, category, _numbers(polygon),
            None if scene_polygon is None else _numbers(scene_polygon), prompt,
            None if prompt_box is None else _numbers(prompt_box), status, reason,
            flags=dict(flags or {}), notes=list(notes),
        )  # fmt: skip

    @property
    def label(self) -> int:
        """Class index from 0, the pixel value of label maps."""
        return self.category_id - 1

    @property
    def corners(self) -> np.ndarray:
        """``polygon`` as ``(4, 2)`` float64, NaN where it has None."""
        return np.array(self.polygon, float)

    @property
    def marks(self) -> str:
        """``flags`` as the ledger has them."""
        return ' '.join(f'{name}={value}' for name, value in sorted(self.flags.items()))

    @property
    def is_added(self) -> bool:
        """Whether it stands in no label: someone added it."""
        return self.edited[:1] == [ADDED_BY]

    @property
    def by_hand(self) -> bool:
        """Whether its mask was drawn, or its class given, by a person."""
        return self.status in (CORRECTED, ADDED)

    @property
    def mask(self) -> dict:
        """``segmentation`` of a box that has one, as kept boxes do."""
        assert self.segmentation is not None
        return self.segmentation

    def check(self, place: str) -> None:
        """Check numbers, lengths and status; see ``Entry.check``."""
        if not 1 <= self.category_id <= UNLABELLED:
            raise ValueError(
                f'{place}.category_id is {self.category_id}; expected 1 to {UNLABELLED}'
            )
        if self.status not in (*BOX_STATUSES, *HAND_STATUSES, FAILED):
            raise ValueError(f'{place}.status is {self.status!r:.40}; not a status of a box')
        if not all(type(value) is int for value in self.flags.values()):
            raise ValueError(f'{place}.flags is {self.flags!r:.40}; expected whole numbers')
        if not all(isinstance(note, str) for note in self.notes):
            raise ValueError(f'{place}.notes is {self.notes!r:.40}; expected lines of text')
        if not all(isinstance(action, str) for action in self.edited):
            raise ValueError(f'{place}.edited is {self.edited!r:.40}; expected names of actions')
        if self.machine and self.machine.keys() != set(MACHINE_KEYS):
            raise ValueError(
                f'{place}.machine is {self.machine!r:.40}; expected all that masks give'
            )
        for name in ('prompt_box', 'bbox'):
            value = getattr(self, name)
            if value is not None and not _are_numbers(value, 4):
                raise ValueError(f'{place}.{name} is {value!r:.40}; expected 4 numbers')
        for name in ('polygon', 'scene_polygon'):
            points = getattr(self, name)
            if points is not None and len(points) != 4:
                raise ValueError(f'{place}.{name} has {len(points)} corners; expected 4')
            for point in points or ():
                if not isinstance(point, list) or not _are_numbers(
                    [0 if value is None else value for value in point], 2
                ):
                    raise ValueError(f'{place}.{name} holds {point!r:.40}; expected x, y')

    def check_masks(self, size: list[int], place: str) -> None:
        """Check what is going to be decoded; see ``check_mask``."""
        check_mask(self.segmentation, size, f'{place}.segmentation')
        check_mask(self.machine.get('segmentation'), size, f'{place}.machine.segmentation')

    def enter_mask(self, mask: masks.Mask, empty: str) -> None:
        """Give the box its mask, of the image's size, with all measures: the box is kept.

        Without a pixel it is empty, with ``empty`` as the reason.
        """
        self.score, self.stability = mask.score, mask.stability
        self.area = masks.area(mask.segmentation)
        if not self.area:
            self.status, self.reason = EMPTY, empty
            return
        self.status, self.reason = KEPT, ''
        self.segmentation, self.bbox = mask.segmentation, masks.bbox(mask.segmentation)
        self.measure()

    def enter_region(self, segmentation: dict) -> None:
        """Give a crowd or an ignored region its pixels, of the image's size."""
        self.segmentation = segmentation
        self.area, self.bbox = masks.area(segmentation), masks.bbox(segmentation)

    def measure(self) -> None:
        """Measure the mask against the boxes; see ``masks.measure``."""
        for name, value in masks.measure(self.mask, self.polygon, self.prompt_box).items():
            setattr(self, name, value)
        if self.prompt == GRID:  # the polygon is of the mask itself
            self.coverage = self.leakage = None

    def failed(self) -> 'Self':
        """Return the entry without mask: its image could not be segmented or written."""
        return type(self)(
            self.id, self.box_id, self.category_id, self.category, self.polygon,
            self.scene_polygon, self.prompt, self.prompt_box, FAILED, reason='',
            flags=self.flags, notes=self.notes,
        )  # fmt: skip


def _are_numbers(values: list, count: int) -> bool:
    """Return whether a list holds so many finite numbers."""
    return len(values) == count and all(
        isinstance(value, int | float) and -math.inf < value < math.inf for value in values
    )


def check_mask(segmentation: dict | None, size: list[int], place: str) -> None:
    """Raise a ValueError where a mask of a record does not fill an image of height, width."""
    try:
        if segmentation is not None:
            masks.check_size(segmentation, size)
    except ValueError as error:
        raise ValueError(f'{place}: {error}') from error


def _numbers(array: np.ndarray) -> list:
    """Plain floats to 4 decimals; JSON has no NaN, so it becomes None."""
    if array.ndim > 1:
        return [_numbers(row) for row in array]
    return [round(float(v), 4) if np.isfinite(v) else None for v in array]
