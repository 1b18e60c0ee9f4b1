"""Images and labels that can be read by window: plain files, and the packed store.

Both give the same pixels: images as ``(H, W, 3)`` uint8 BGR, as mmsegmentation's own loader does,
labels as ``(H, W)`` uint8 class indices with 255 where no mask is.
"""

import os
import warnings
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import ImageReadError, LabelReadError, SamrsError
from samrs_mm.core.images import SceneImage

# not catch_warnings around each reading: that is not safe in threads
warnings.filterwarnings('ignore', category=NotGeoreferencedWarning)

_GDAL = dict(
    GDAL_DISABLE_READDIR_ON_OPEN='EMPTY_DIR',  # else it looks for side files, in large folders
    GDAL_PNG_WHOLE_IMAGE_OPTIM='NO',  # its quick way reads truncated PNGs without a word
)
_BGR = (3, 2, 1)
_TIFF = (b'II', b'MM')


class Pixels(Protocol):
    """An image and its label, of which windows can be read."""

    height: int
    width: int

    def read(self, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return rows ``y0:y1`` and columns ``x0:x1``: the image, and the label or None."""
        ...


class ArrayPixels:
    """An image and its label in memory.

    Args:
        image: ``(H, W, 3)``.
        label: ``(H, W)``, or None.
    """

    def __init__(self, image: np.ndarray, label: np.ndarray | None):
        self.height, self.width = image.shape[:2]
        self.image, self.label = image, label

    def read(self, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, np.ndarray | None]:
        """As ``Pixels.read``; views."""
        label = self.label
        return self.image[y0:y1, x0:x1], None if label is None else label[y0:y1, x0:x1]


class _Raster:
    """An open raster file, with errors that name it."""

    def __init__(self, path: str | os.PathLike, error: type[SamrsError]):
        self.path, self.error = path, error
        try:
            with rasterio.Env(**_GDAL):
                self.file = rasterio.open(path)
        except (RasterioError, OSError) as cause:
            raise self._error(cause) from cause
        self.height, self.width = self.file.shape

    def read(self, bands: int | tuple[int, ...], y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return a window of one band ``(h, w)`` or several ``(bands, h, w)``."""
        try:
            with rasterio.Env(**_GDAL):
                return self.file.read(bands, window=Window(x0, y0, x1 - x0, y1 - y0))
        except (RasterioError, OSError) as cause:
            raise self._error(cause) from cause

    def _error(self, cause: Exception) -> SamrsError:
        path = Path(self.path)
        if not path.exists():
            return self.error(f'{path}: no such file')
        reason = ' '.join(str(cause.__cause__ or cause).split()).replace(str(path), path.name)
        return self.error(f'{path}: cannot read it: {reason}')


class FilePixels:
    """An image file and its label file.

    PNG is decoded from the top to the window's last row; other formats are decoded whole.

    Args:
        image_path: Any image that ``samrs_mm.core.images`` reads.
        label_path: PNG of one band of 8 bits, or None.
        num_classes: Number of classes to check labels against; None checks nothing.

    Raises:
        ImageReadError: The image can't be read.
        LabelReadError: The label can't be read, isn't one band of 8 bits, or has another size than
            the image.
    """

    def __init__(self, image_path: str, label_path: str | None, num_classes: int | None = None):
        self._image = open_image(image_path)
        self.height, self.width = self._image.height, self._image.width
        self._label = None if label_path is None else open_label(label_path)
        self.num_classes = num_classes
        if self._label and (self._label.height, self._label.width) != (self.height, self.width):
            raise LabelReadError(
                f'{label_path}: the label is {self._label.width} x {self._label.height} px, its '
                f'image {image_path} {self.width} x {self.height}; they must be of one size'
            )

    def read(self, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, np.ndarray | None]:
        """As ``Pixels.read``.

        Raises:
            ImageReadError: The image is broken before the window's end.
            LabelReadError: The label is broken, or has a value that is no class and not 255.
        """
        if isinstance(self._image, _Raster):
            image = cv2.merge(list(self._image.read(_BGR, y0, y1, x0, x1)))
        else:
            image = self._image.read(y0, y1, x0, x1)[0]
        if self._label is None:
            return image, None
        label = self._label.read(1, y0, y1, x0, x1)
        check_values(label, self.num_classes, self._label.path, (y0, x0))
        return image, label

    def __enter__(self) -> 'FilePixels':
        return self

    def __exit__(self, *_: object) -> None:
        for raster in (self._image, self._label):
            if isinstance(raster, _Raster):
                raster.file.close()


class StorePixels:
    """A file of the packed store: bands red, green, blue, label, in compressed blocks.

    One file is open at a time, so a worker holds one handle, however many images there are.

    Args:
        path: ``STEM.tif`` that ``pack_dataset.py`` wrote.
        num_classes: Number of classes to check labels against; None checks nothing.

    Raises:
        ImageReadError: The file can't be opened, or isn't of the store.
    """

    def __init__(self, path: str | os.PathLike, num_classes: int | None = None):
        self._raster, self.num_classes = _Raster(path, ImageReadError), num_classes
        self.height, self.width = self._raster.height, self._raster.width
        if self._raster.file.count != 4:
            raise ImageReadError(f'{path}: {self._raster.file.count} bands; a packed tile has 4')

    def read(self, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, np.ndarray | None]:
        """As ``Pixels.read``; only the blocks that the window touches are decoded.

        Raises:
            ImageReadError: A block can't be decoded.
            LabelReadError: The label has a value that is no class and not 255.
        """
        bands = self._raster.read((*_BGR, 4), y0, y1, x0, x1)
        check_values(bands[3], self.num_classes, self._raster.path, (y0, x0))
        return cv2.merge(list(bands[:3])), bands[3]

    def __enter__(self) -> 'StorePixels':
        return self

    def __exit__(self, *_: object) -> None:
        self._raster.file.close()


def open_image(path: str | os.PathLike) -> _Raster | ArrayPixels:
    """Open an RGB PNG of 8 bits for reading by rows, or decode any other image.

    Pixels are those stored: an orientation in EXIF is ignored. TIFF and images of more than 8 bits
    are read, and scaled, as annotation does.

    Raises:
        ImageReadError: The file can't be read.
    """
    if str(path).lower().endswith('.png'):
        raster = _Raster(path, ImageReadError)
        if raster.file.dtypes == ('uint8',) * 3:
            return raster
        raster.file.close()
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as cause:
        raise ImageReadError(f'{path}: cannot read it: {cause.strerror}') from cause
    if len(data) and bytes(data[:2]) not in _TIFF:
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if image is not None and image.dtype == np.uint8:
            return ArrayPixels(_three_channels(image), None)
    return ArrayPixels(np.ascontiguousarray(SceneImage(path).read()[..., ::-1]), None)


def _three_channels(image: np.ndarray) -> np.ndarray:
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return image if image.shape[2] == 3 else np.ascontiguousarray(image[..., :3])


def open_label(path: str | os.PathLike) -> _Raster:
    """Open a label: a PNG of one band of 8 bits, grey or with a palette.

    Raises:
        LabelReadError: The file can't be read, or isn't that.
    """
    raster = _Raster(path, LabelReadError)
    if raster.file.dtypes != ('uint8',):
        what = ', '.join(raster.file.dtypes)
        raster.file.close()
        raise LabelReadError(
            f'{path}: bands {what}; a label is one band of 8-bit class indices (is this a folder '
            'of colour pictures?)'
        )
    return raster


def read_label(path: str | os.PathLike) -> np.ndarray:
    """Return a label file as ``(H, W)`` uint8 class indices.

    Raises:
        LabelReadError: The file can't be read, or isn't one band of 8 bits.
    """
    raster = open_label(path)
    with raster.file:
        return raster.read(1, 0, raster.height, 0, raster.width)


def check_values(
    label: np.ndarray,
    num_classes: int | None,
    path: str | os.PathLike,
    origin: tuple[int, int] = (0, 0),
) -> None:
    """Refuse a label with values that are neither a class nor 255.

    Args:
        label: ``(H, W)`` uint8.
        num_classes: Values 0..num_classes-1 are classes; None allows all.
        path: Named in the message.
        origin: Row and column of the label's first pixel in the file.

    Raises:
        LabelReadError: With the value and the position of its first pixel.
    """
    # 255 + 1 wraps to 0, so one maximum does
    if num_classes is None or int((label + np.uint8(1)).max(initial=0)) <= num_classes:
        return
    y, x = np.argwhere((label >= num_classes) & (label != UNLABELLED))[0]
    raise LabelReadError(
        f'{path}: value {label[y, x]} at x={x + origin[1]}, y={y + origin[0]}; allowed are '
        f'0..{num_classes - 1} (the classes) and {UNLABELLED} (unlabelled)'
    )
