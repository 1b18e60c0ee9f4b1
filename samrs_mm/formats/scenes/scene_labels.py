"""Scenes that are labelled by colour pictures, and the class indices behind the colours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from samrs_mm.core.errors import LabelReadError
from samrs_mm.core.images import SceneImage

_STRIP = 256
_UNKNOWN = 254
_MIDDLE = 127


@dataclass(frozen=True)
class LabelledScene:
    """An image and the colour picture of its labels, of one size; tiles are called after it."""

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
            table[colour_numbers(np.array(colour, np.uint8))] = value
        object.__setattr__(self, '_table', table)

    def as_dict(self) -> dict:
        """Return the code as plain data, for settings."""
        values = {'#{:02x}{:02x}{:02x}'.format(*colour): v for colour, v in self.values.items()}
        return dict(values=values, binary=self.binary)

    def decode(self, rgb: np.ndarray) -> np.ndarray:
        """Return the class indices of RGB ``(H, W, 3)`` uint8; 254 where it stands for nothing."""
        if self.binary:
            rgb = np.where(rgb > _MIDDLE, np.uint8(255), np.uint8(0))
        return self._table[colour_numbers(rgb)]

    def read(self, path: Path) -> np.ndarray:
        """Return the class indices of a label picture as ``(H, W)`` uint8.

        Decoded in strips: beside the file's own pixels it takes one byte a pixel.

        Raises:
            ImageReadError: The file can't be read.
            LabelReadError: A colour stands for nothing; with its first pixel.
        """

        def decode(rgb: np.ndarray, top: int) -> np.ndarray:
            indices = self.decode(rgb)
            unknown = np.argwhere(indices == _UNKNOWN)
            if len(unknown):
                y, x = unknown[0].tolist()
                raise LabelReadError(
                    f'{path}: colour {tuple(rgb[y, x].tolist())} at x={x}, y={y + top} is of no '
                    f'class ({len(unknown)} such pixels in {len(rgb)} rows); known are '
                    f'{", ".join(map(str, self.values))}; is this the right kind of label file, as '
                    'downloaded?'
                )
            return indices

        return read_strips(path, decode, np.uint8)


def colour_numbers(rgb: np.ndarray) -> np.ndarray:
    """Return colours ``(..., 3)`` uint8 as ``65536 R + 256 G + B``, int32."""
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    return red << 16 | green << 8 | blue


def read_strips(
    path: Path, convert: Callable[[np.ndarray, int], np.ndarray], dtype: DTypeLike
) -> np.ndarray:
    """Return what a picture's pixels stand for, ``(H, W)``, decoded in strips to save memory.

    ``convert`` makes ``(rows, W)`` values of ``(rows, W, 3)`` uint8 RGB and the first row's y.

    Raises:
        ImageReadError: The file can't be read.
    """
    picture = SceneImage(path, stored=True)
    values = np.empty((picture.height, picture.width), dtype)
    for top in range(0, picture.height, _STRIP):
        rows = min(_STRIP, picture.height - top)
        rgb = picture.crop(0, top, picture.width, rows)
        values[top : top + rows] = convert(rgb, top)
    return values
