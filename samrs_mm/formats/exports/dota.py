"""DOTA rotated boxes, fitted to the masks."""

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.exports.base import FLAGS, INSTANCES, Export
from samrs_mm.formats.labelled_image import LabelledImage


class DOTAExport(Export):
    """``labelTxt/STEM.txt``: a line ``x1 y1 ... x4 y4 category difficult`` for each instance.

    The box is the smallest rotated rectangle around the mask's pixels (``cv2.minAreaRect``), its
    corners clockwise, to 2 decimals; they may lie outside the image. A mask doesn't show the head,
    so the first corner is the one nearest to the image's. ``difficult`` is that of the labels, else
    0. No header lines, as in v2.0; blanks in class names become ``-``.
    Source of the format: https://captain-whu.github.io/DOTA/dataset.html.
    """

    folders = ('labelTxt',)
    losses = {
        'masks': 'masks reduced to rotated boxes',
        'added_pixels': 'pixels that those boxes cover beyond their masks',
        FLAGS: 'objects with flags other than difficult, which it has no place for',
    }
    unlabelled = 'has no meaning; detectors take it as background'

    @classmethod
    def check_classes(cls, classes: Sequence[str]) -> None:
        """Raise RefusedError where two names are one without blanks."""
        first: dict[str, str] = {}
        for name in classes:
            if (other := first.setdefault(_joined(name), name)) != name:
                raise RefusedError(
                    f'classes {other!r} and {name!r} would both be called {_joined(name)!r}: DOTA '
                    'has no blanks in names; give one another name in the labels'
                )

    def convert(self, image: LabelledImage, record: Record, file: str) -> tuple[None, Counter]:
        """Write the label file of an image."""
        number = len(record.kept)
        counts: Counter[str] = Counter({INSTANCES: number, 'masks': number})
        lines = []
        for box in record.kept:
            corners = rotated_box(box.mask)
            counts['added_pixels'] += round(cv2.contourArea(corners)) - box.area
            values = ' '.join(f'{value:.2f}' for value in corners.ravel().tolist())
            difficult = box.flags.get('difficult', 0)
            counts[FLAGS] += bool(box.flags.keys() - {'difficult'})
            lines.append(f'{values} {_joined(box.category)} {difficult}\n')
        (self.out / 'labelTxt' / f'{image.stem}.txt').write_bytes(''.join(lines).encode())
        return None, counts


def _joined(name: str) -> str:
    return '-'.join(name.split())


def rotated_box(segmentation: dict) -> np.ndarray:
    """Return the smallest rotated rectangle around the pixels of a mask that isn't empty.

    Corners ``(4, 2)`` float32 of x, y in pixels; clockwise on the screen, the one nearest to the
    image's top left corner first.
    """
    x, y, pixels = masks.crop(segmentation)
    rows = np.flatnonzero(pixels.any(axis=1))
    left = pixels[rows].argmax(axis=1)
    right = pixels.shape[1] - pixels[rows, ::-1].argmax(axis=1)
    # corners of the first and the last pixel of each row: the rest lies between them
    points = [np.stack([side, rows + dy], axis=1) for side in (left, right) for dy in (0, 1)]
    corners = cv2.boxPoints(cv2.minAreaRect(np.concatenate(points).astype(np.float32)))
    if cv2.contourArea(corners, oriented=True) < 0:
        corners = corners[::-1]
    first = int(corners.sum(axis=1).argmin())
    return np.roll(corners, -first, axis=0) + np.array([x, y], np.float32)
