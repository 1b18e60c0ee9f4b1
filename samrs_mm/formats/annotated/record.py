"""The record of an annotated image: ``instances/STEM.json``, or ``failed/STEM.json``.

Once the record of an image stands, the image is done; everything else in an annotated folder can
be made again from the records and the labels.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.errors import SamrsError
from samrs_mm.formats.annotated.entries import HELD, REGIONS, BoxEntry, ImageEntry

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

FORMAT = 3
"""Version of the folder's format; part of the signature.

3 has crowds, ignored regions, flags and notes of boxes. Records of 2 are read as having none; a
folder of 2 is read by all tools, but going on in it is refused: its labels may hold some.
"""

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


def _refuse_constant(name: str) -> None:
    """Refuse NaN and infinity, which are not JSON but which Python reads."""
    raise ValueError(f'it holds {name}')


def read(path: Path) -> bytes:
    """Return the bytes of a record, for ``Record.parse``.

    Raises:
        RecordError: They can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f'{path}: cannot read the record: {error.strerror}') from error


@dataclass(slots=True)
class Record:
    """All that is known of an annotated image.

    Args:
        image: The image.
        signature: Hash of the settings it was made with.
        boxes: Its boxes in label order.
        error: Why the image failed, in one line; None if it did not.
        corrections: Which corrections are in it, ``sha256``, and those that do not fit, ``stale``;
            None without any.
    """

    image: ImageEntry
    signature: str
    boxes: list[BoxEntry]
    error: str | None = None
    corrections: dict | None = None

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
        return cls.parse(read(path), path)

    @classmethod
    def parse(cls, text: bytes, path: Path) -> 'Self':
        """Make a record of what ``read`` gave of a file; ``load`` does both.

        Raises:
            RecordError: As ``load``.
        """
        try:
            data = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise RecordError(f'{path}: not a JSON record: {error}{CURE}') from error
        if not isinstance(data, dict) or not {'image', 'signature', 'boxes'} <= data.keys():
            raise RecordError(f'{path}: not a record of this tool (image, signature, boxes){CURE}')
        with _damaged(path):
            return cls._from_json(data)

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> 'Self':
        unknown = data.keys() - {'image', 'signature', 'boxes', 'error', 'corrections'}
        if unknown:
            raise ValueError(f'unknown key {min(unknown)!r}')
        kinds: dict[str, Any] = dict(
            signature=str, boxes=list, error=str | NoneType, corrections=dict | NoneType
        )
        for name, kind in kinds.items():
            if not isinstance(data.get(name), kind):
                raise ValueError(f'{name} is {data.get(name)!r:.40}')
        image = cls.image_type.from_json(data['image'], 'image')
        boxes = [cls.box_type.from_json(box, f'boxes[{i}]') for i, box in enumerate(data['boxes'])]
        return cls(image, data['signature'], boxes, data.get('error'), data.get('corrections'))

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
                if classes is not None and box.status in HELD and box.segmentation is None:
                    raise ValueError(f'boxes[{i}] is {box.status}, but has no mask')
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
        more = dict(error=self.error, corrections=self.corrections)
        return dump(data | {key: value for key, value in more.items() if value is not None})

    def write(self, path: Path) -> None:
        """Write the record, whole or not at all.

        Raises:
            OSError: It can't be written.
        """
        atomic_write(path, self.dump())

    @property
    def kept(self) -> list[BoxEntry]:
        """The boxes whose masks are in the dataset, by a machine or a hand, in label order."""
        return [box for box in self.boxes if box.status in HELD]

    @property
    def annotated(self) -> list[BoxEntry]:
        """The kept boxes, and the regions that are no single object, in label order."""
        return [box for box in self.boxes if box.status in (*HELD, *REGIONS)]

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
