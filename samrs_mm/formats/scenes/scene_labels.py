"""Scenes that are labelled by colour pictures, and the class indices behind the colours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from samrs_mm.core.errors import LabelReadError
from samrs_mm.core.images import SceneImage

_STRIP = 256
_UNKNOWN = 254
_MIDDLE = 127


@dataclass(frozen=True)
class LabelledScene:
    """An image and the picture of its labels, of one size.

    Args:
        name: Name of the scene; its tiles are called after it.
        split: ``train``, ``val`` or ``test``.
        image: Image file.
        label: Colour picture.
    """

    name: str
    split: str
    image: Path
    label: Path


@dataclass(frozen=True)
class ColourCode:
    """Which class a colour stands for.

    Args:
        values: Class index, or 255 for what is ignored, by RGB.
        binary: Channels above 127 are taken for 255 and others for 0 first: for pictures that were
            compressed with loss, of a palette of zeros and 255s.
    """

    values: Mapping[tuple[int, int, int], int]
    binary: bool = False
    _table: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        table = np.full(1 << 24, _UNKNOWN, np.uint8)
        for colour, value in self.values.items():
            table[_number(np.array(colour, np.uint8))] = value
        object.__setattr__(self, '_table', table)

    def as_dict(self) -> dict:
        """Return the code as plain data, for settings."""
        values = {'#{:02x}{:02x}{:02x}'.format(*colour): v for colour, v in self.values.items()}
        return dict(values=values, binary=self.binary)

    def decode(self, rgb: np.ndarray) -> np.ndarray:
        """Return the class indices of a picture.

        Args:
            rgb: ``(H, W, 3)`` uint8.

        Returns:
            ``(H, W)`` uint8; 254 where the colour stands for nothing.
        """
        if self.binary:
            rgb = np.where(rgb > _MIDDLE, np.uint8(255), np.uint8(0))
        return self._table[_number(rgb)]

    def read(self, path: Path) -> np.ndarray:
        """Return the class indices of a label picture as ``(H, W)`` uint8.

        Decoded in strips: beside the file's own pixels it takes one byte a pixel.

        Raises:
            ImageReadError: The file can't be read.
            LabelReadError: A colour stands for nothing; with its first pixel.
        """
        picture = SceneImage(path)
        indices = np.empty((picture.height, picture.width), np.uint8)
        for top in range(0, picture.height, _STRIP):
            rows = min(_STRIP, picture.height - top)
            rgb = picture.crop(0, top, picture.width, rows)
            indices[top : top + rows] = part = self.decode(rgb)
            if (part == _UNKNOWN).any():
                y, x = np.argwhere(part == _UNKNOWN)[0]
                raise LabelReadError(self._unknown(path, rgb[y, x], int(x), int(y) + top, part))
        return indices

    def _unknown(self, path: Path, colour: np.ndarray, x: int, y: int, part: np.ndarray) -> str:
        known = ', '.join(str(colour) for colour in self.values)
        count = np.count_nonzero(part == _UNKNOWN)
        return (
            f'{path}: colour {tuple(colour.tolist())} at x={x}, y={y} is of no class ({count} such '
            f'pixels in {len(part)} rows); known are {known}; is this the right kind of label '
            'file, as downloaded?'
        )


def _number(rgb: np.ndarray) -> np.ndarray:
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    return red << 16 | green << 8 | blue
