"""The record of an annotated image: ``instances/STEM.json``, or ``failed/STEM.json``.

Once the record of an image stands, the image is done; everything else in an annotated folder can
be made again from the records and the labels.
"""

import contextlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin, get_type_hints

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import SamrsError

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

FORMAT = 2
"""Version of the folder's format; part of the signature."""

KEPT, EMPTY, OUTSIDE, DEGENERATE, FILTERED = 'kept', 'empty', 'outside', 'degenerate', 'filtered'
FAILED = 'failed'
BOX_STATUSES = (KEPT, EMPTY, OUTSIDE, DEGENERATE, FILTERED)
"""Statuses of a box in an image that was processed."""

CURE = '; delete it and run again'


class RecordError(SamrsError):
    """A record can't be read or is not one."""


@contextlib.contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Make a RecordError of a ValueError that says what is wrong in a record."""
    try:
        yield
    except ValueError as error:
        raise RecordError(f'{path}: damaged record: {error}{CURE}') from error


class Entry:
    """Base of the parts of a record: dataclasses whose fields are the keys in the file."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as it stands in the file."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, value: Any, place: str) -> 'Self':
        """Make an entry of parsed JSON; ``place`` says in messages where it stands.

        Raises:
            ValueError: Not an object with exactly the entry's keys, or a value of another type.
        """
        if not isinstance(value, dict):
            raise ValueError(f'{place} is {value!r:.40}; expected an object')
        types = _types(cls)  # type: ignore[arg-type]  # classes are hashable
        if value.keys() != types.keys():
            lacking, unknown = types.keys() - value.keys(), value.keys() - types.keys()
            problem = f'no {min(lacking)!r}' if lacking else f'unknown key {min(unknown)!r}'
            raise ValueError(f'{place}: {problem}')
        for name, allowed in types.items():
            if not isinstance(value[name], allowed):
                names = ' or '.join(kind.__name__ for kind in allowed).replace('NoneType', 'null')
                raise ValueError(f'{place}.{name} is {value[name]!r:.40}; expected {names}')
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
        id: Position in the image's label order, from 1.
        box_id: Place of the box in the labels.
        category_id: Class index + 1, as in COCO files.
        category: Class name.
        polygon: Four corners x, y in pixels of this image, unclipped; None for NaN.
        scene_polygon: The same in pixels of the scene; None where its place is not known.
        prompt: Name of the prompt setting.
        prompt_box: x0, y0, x1, y1 in pixels that the segmentor sees; None if it sees no box.
        status: One of ``BOX_STATUSES``, or ``failed`` in the record of a failure.
        reason: Why there is no mask, or why it is filtered; empty otherwise.
        score: Predicted IoU, if the segmentor gives one.
        stability: Stability score, if the segmentor gives one.
        fill: See ``masks.measure``, as for the four that follow; None without a mask.
        coverage: Fraction of ``polygon`` that the mask covers.
        leakage: Fraction of the mask outside ``polygon``.
        components: 8-connected parts of the mask.
        at_border: Whether the mask touches the image's border.
        bbox: x, y, width, height of the mask in pixels; None without one.
        area: Pixels of the mask.
        visible_area: Pixels that no other mask covers.
        segmentation: The mask before overlap, kept or filtered, as COCO RLE with text counts.
    """

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

    @classmethod
    def new(
        cls, number: int, box_id: str, label: int, category: str, prompt: str, polygon: np.ndarray,
        scene_polygon: np.ndarray | None, prompt_box: np.ndarray | None, status: str,
        reason: str = '',
    ) -> 'Self':  # fmt: skip
        """Make the entry of a labelled box, before it has a mask; ``status`` may be ``'ok'``.

        Arguments are the fields, but for ``number`` (the id), ``label`` (the class index, from 0)
        and arrays instead of lists: corners ``(4, 2)`` and the prompt box ``(4,)``.
        """
        return cls(
            number, box_id, label + 1, category, _numbers(polygon),
            None if scene_polygon is None else _numbers(scene_polygon), prompt,
            None if prompt_box is None else _numbers(prompt_box), status, reason,
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
        if self.status not in (*BOX_STATUSES, FAILED):
            raise ValueError(f'{place}.status is {self.status!r:.40}; not a status of a box')
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

    def measure(self) -> None:
        """Measure the mask against the boxes; see ``masks.measure``."""
        for name, value in masks.measure(self.mask, self.polygon, self.prompt_box).items():
            setattr(self, name, value)

    def failed(self) -> 'Self':
        """Return the entry without mask: its image could not be segmented or written."""
        return type(self)(
            self.id, self.box_id, self.category_id, self.category, self.polygon,
            self.scene_polygon, self.prompt, self.prompt_box, FAILED, reason='',
        )  # fmt: skip


def _refuse_constant(name: str) -> None:
    """Refuse NaN and infinity, which are not JSON but which Python reads."""
    raise ValueError(f'it holds {name}')


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


@dataclass(slots=True)
class Record:
    """All that is known of an annotated image.

    Args:
        image: The image.
        signature: Hash of the settings it was made with.
        boxes: Its boxes in label order.
        error: Why the image failed, in one line; None if it did not.
    """

    image: ImageEntry
    signature: str
    boxes: list[BoxEntry]
    error: str | None = None

    image_type: ClassVar[type[Any]] = ImageEntry
    box_type: ClassVar[type[Any]] = BoxEntry

    @classmethod
    def of_image(cls, **facts: Any) -> 'Self':
        """Make the record of an image without boxes or signature; see ``ImageEntry``."""
        return cls(cls.image_type(**facts), '', [])

    @classmethod
    def load(cls, path: Path) -> 'Self':
        """Read a record; ``load_checked`` also looks at its masks.

        Raises:
            RecordError: Missing, not JSON, or not exactly the keys of a record.
        """
        try:
            data = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
        except OSError as error:
            raise RecordError(f'{path}: cannot read the record: {error.strerror}') from error
        except (ValueError, RecursionError) as error:
            raise RecordError(f'{path}: not a JSON record: {error}{CURE}') from error
        if not isinstance(data, dict) or not {'image', 'signature', 'boxes'} <= data.keys():
            raise RecordError(f'{path}: not a record of this tool (image, signature, boxes){CURE}')
        with _damaged(path):
            return cls._from_json(data)

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> 'Self':
        unknown = data.keys() - {'image', 'signature', 'boxes', 'error'}
        if unknown:
            raise ValueError(f'unknown key {min(unknown)!r}')
        kinds: dict[str, Any] = dict(signature=str, boxes=list, error=str | NoneType)
        for name, kind in kinds.items():
            if not isinstance(data.get(name), kind):
                raise ValueError(f'{name} is {data.get(name)!r:.40}')
        image = cls.image_type.from_json(data['image'], 'image')
        boxes = [cls.box_type.from_json(box, f'boxes[{i}]') for i, box in enumerate(data['boxes'])]
        return cls(image, data['signature'], boxes, data.get('error'))

    @classmethod
    def load_checked(cls, path: Path, classes: int | None = None) -> 'Self':
        """Read a record whose masks are going to be decoded: their runs fill the image.

        Args:
            path: The file.
            classes: Number of classes of the folder, for those that draw or write the boxes: each
                has one of them, and each that is kept has a mask.

        Raises:
            RecordError: As ``load``, or a mask is damaged.
        """
        record = cls.load(path)
        size = [record.image.height, record.image.width]
        with _damaged(path):
            for i, box in enumerate(record.boxes):
                box.check_masks(size, f'boxes[{i}]')
                if classes is not None and box.label >= classes:
                    raise ValueError(f'boxes[{i}].category_id is beyond 1..{classes}')
                if classes is not None and box.status == KEPT and box.segmentation is None:
                    raise ValueError(f'boxes[{i}] is kept, but has no mask')
        return record

    @classmethod
    def load_failure(cls, path: Path) -> 'Self':
        """Read the record of a failure, which has an ``error``; raises as ``load``."""
        record = cls.load(path)
        with _damaged(path):
            if record.error is None:
                raise ValueError("no 'error'")
        return record

    def dump(self) -> bytes:
        """Return the record as JSON; equal records, equal bytes."""
        boxes = [box.as_dict() for box in self.boxes]
        data = dict(image=self.image.as_dict(), signature=self.signature, boxes=boxes)
        return dump(data if self.error is None else data | dict(error=self.error))

    def write(self, path: Path) -> None:
        """Write the record, whole or not at all.

        Raises:
            OSError: It can't be written.
        """
        atomic_write(path, self.dump())

    @property
    def kept(self) -> list[BoxEntry]:
        """The kept boxes, in label order."""
        return [box for box in self.boxes if box.status == KEPT]

    def paint(self, policy: str) -> np.ndarray:
        """Paint the kept masks by an overlap policy and set their visible areas.

        Returns:
            The label map ``(H, W)`` uint8, 255 where no mask is.
        """
        kept: list[Any] = [box for box in self.kept if box.segmentation is not None]
        labels, visible = masks.compose(kept, self.image.height, self.image.width, policy)
        for box, pixels in zip(kept, visible, strict=True):
            box.visible_area = pixels
        return labels

    def fail(self, error: str) -> None:
        """Make this the record of a failure: no box has a mask, and the next run tries again."""
        self.error = error
        self.boxes = [box.failed() for box in self.boxes]
