"""iSAID's objects: instance masks as colours, and the boxes around them.

Source: Waqas Zamir et al. 2019, iSAID; ``*_instance_id_RGB.png`` numbers the objects as
R + 256 G + 65536 B, 0 is background.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.errors import LabelReadError
from samrs_mm.core.images import SceneImage
from samrs_mm.formats.scenes import isaid

_STRIP = 256


@dataclass(frozen=True)
class Instance:
    """One object.

    Args:
        number: Its number in the picture of instances; unique in the image.
        label: Index in ``isaid.CLASSES`` of most of its pixels; 0 is background.
        places: Positions ``x * height + y`` of its pixels, ascending, int64.
        height: Image height in pixels.
        width: Image width in pixels.
    """

    number: int
    label: int
    places: np.ndarray
    height: int
    width: int

    def mask(self) -> dict:
        """Return the mask as COCO RLE."""
        return masks.encode_pixels(self.places, self.height, self.width)

    def hbox(self) -> np.ndarray:
        """Return the H-Box ``(4,)`` x0, y0, x1, y1 around the pixels, their far edges included."""
        x, y = np.divmod(self.places, self.height)
        return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float64)

    def rbox(self) -> np.ndarray:
        """Return the corners ``(4, 2)`` of the smallest rectangle around the pixels' corners."""
        x, y = np.divmod(self.places, self.height)
        columns, first = np.unique(x, return_index=True)
        top, bottom = y[first], y[np.append(first[1:], len(y)) - 1] + 1
        x0, x1 = columns, columns + 1
        corners = [np.stack(pair, 1) for pair in ((x0, top), (x1, top), (x0, bottom), (x1, bottom))]
        rectangle = cv2.minAreaRect(np.concatenate(corners).astype(np.float32))
        return cv2.boxPoints(rectangle).astype(np.float64)


def read_instances(ids: Path, colours: Path) -> list[Instance]:
    """Return the objects of an image, by number.

    Args:
        ids: ``*_instance_id_RGB.png``.
        colours: ``*_instance_color_RGB.png``.

    Raises:
        ImageReadError: A file can't be read.
        LabelReadError: A colour that is of no class, or pictures of different size.
    """
    numbers, labels = _numbers(ids), isaid.colour_code().read(colours)
    if numbers.shape != labels.shape:
        raise LabelReadError(
            f'{ids}: {numbers.shape[1]} x {numbers.shape[0]} px, but {colours.name} has '
            f'{labels.shape[1]} x {labels.shape[0]} px; are they of one download?'
        )
    height, width = numbers.shape
    numbers, labels = numbers.ravel('F'), labels.ravel('F')
    places = np.flatnonzero(numbers)
    found, which = np.unique(numbers[places], return_inverse=True)
    order = np.argsort(which, kind='stable')
    parts = np.split(places[order], np.cumsum(np.bincount(which, minlength=len(found)))[:-1])
    return [
        Instance(int(number), int(np.bincount(labels[part]).argmax()), part, height, width)
        for number, part in zip(found, parts[: len(found)], strict=True)
    ]


def _numbers(path: Path) -> np.ndarray:
    """Return the objects' numbers ``(H, W)`` int32; read in strips, to take 4 bytes a pixel."""
    picture = SceneImage(path)
    numbers = np.empty((picture.height, picture.width), np.int32)
    for top in range(0, picture.height, _STRIP):
        rows = min(_STRIP, picture.height - top)
        red, green, blue = np.moveaxis(
            picture.crop(0, top, picture.width, rows).astype(np.int32), 2, 0
        )
        numbers[top : top + rows] = red + 256 * green + 65536 * blue
    return numbers
