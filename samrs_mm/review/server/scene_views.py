"""Square pieces of pictures at every zoom, for a page that shows them in full."""

import threading
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np

from samrs_mm.core.errors import ImageReadError
from samrs_mm.core.images import SceneImage
from samrs_mm.core.input_notes import stamp
from samrs_mm.formats.annotated.entries import ImageEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.review.pictures import open_picture, picture_path

SIDE = 512
"""Of a piece, in pixels."""
LEVELS = 12

_WHOLE = 4096
_HELD = 3
_QUALITY = 95


class SceneView:
    """A picture from which pieces are cut, by levels: each halves the one before.

    Args:
        image: The picture. Levels on which it is no longer than 4096 px are cut from a copy of that
            size, so that the whole of a large scene is read once.
    """

    def __init__(self, image: SceneImage):
        self.width, self.height = image.width, image.height
        self.level = 0
        while max(self.width, self.height) >> self.level > _WHOLE:
            self.level += 1
        self._copy = _reduced(image, self.level)
        self._image = image if self.level else None
        self._valid = image.valid(0, 0, self.width, self.height)

    def pixels(self) -> np.ndarray:
        """Return the whole picture ``(H, W, 3)`` uint8 RGB."""
        return self._copy if self._image is None else self._image.read()

    def valid(self) -> np.ndarray | None:
        """Return which pixels have data, ``(H, W)`` bool; None where all have."""
        return self._valid

    def piece(self, level: int, column: int, row: int) -> np.ndarray | None:
        """Return a piece ``(h, w, 3)`` uint8 RGB, at most ``SIDE`` high and wide; None beyond.

        Args:
            level: A pixel of it is 2 to that power pixels of the picture wide.
            column: Counted in pieces from the left.
            row: Counted in pieces from the top.
        """
        side = SIDE << level
        x, y = column * side, row * side
        width, height = min(side, self.width - x), min(side, self.height - y)
        if width <= 0 or height <= 0:
            return None
        if self._image is not None and level < self.level:
            part = self._image.crop(x, y, width, height)
        else:
            part = self._copy[y >> self.level :, x >> self.level :]
            part = part[: -(-height >> self.level), : -(-width >> self.level)]
        size = -(-width >> level), -(-height >> level)
        if part.shape[1::-1] == size:
            return part
        return cv2.resize(part, size, interpolation=cv2.INTER_AREA)

    def jpeg(self, level: int, column: int, row: int) -> bytes | None:
        """Return a piece as JPEG; see ``piece``."""
        part = self.piece(level, column, row)
        if part is None:
            return None
        flags = [
            cv2.IMWRITE_JPEG_QUALITY, _QUALITY,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ]  # fmt: skip
        return cv2.imencode('.jpg', np.ascontiguousarray(part[..., ::-1]), flags)[1].tobytes()


def _reduced(image: SceneImage, level: int) -> np.ndarray:
    """Return the whole picture at a level, read a strip at a time."""
    if not level:
        return image.read()
    width, strip, parts = -(-image.width >> level), SIDE << level, []
    for top in range(0, image.height, strip):
        height = min(strip, image.height - top)
        part = image.crop(0, top, image.width, height)
        size = width, -(-height >> level)
        parts.append(cv2.resize(part, size, interpolation=cv2.INTER_AREA))
    return np.concatenate(parts)


class SceneViews:
    """The pictures of a folder that were looked at last, opened.

    Args:
        out: The annotated folder.
        data_root: Where its images are.
    """

    def __init__(self, out: AnnotatedFolder, data_root: Path):
        self.out, self.data_root = out, data_root
        self._views: OrderedDict[str, tuple[str, SceneView]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, stem: str, entry: ImageEntry) -> SceneView:
        """Return an image's picture; ``entry`` is what its record says of it.

        Raises:
            ImageReadError: It can't be read, or is no longer the picture that was annotated.
        """
        state = stamp(picture_path(self.out, self.data_root, stem, entry))
        with self._lock:  # a picture is decoded once, however many pieces of it are asked for
            before, view = self._views.pop(stem, ('', None))
            if view is None or state != before:
                try:
                    view = SceneView(open_picture(self.out, self.data_root, stem, entry))
                except OSError as error:
                    raise ImageReadError(f'{error.filename}: {error.strerror}') from error
            self._views[stem] = state, view
            while len(self._views) > _HELD:
                self._views.popitem(last=False)
            return view
