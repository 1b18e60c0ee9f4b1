"""Images and labels that can be read by window: plain files, and the packed store.

Both give the same pixels: images as ``(H, W, 3)`` uint8 BGR, as mmsegmentation's own loader does,
labels as ``(H, W)`` uint8 class indices with 255 where no mask is.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import ImageReadError, LabelReadError, SamrsError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.images import SceneImage
from samrs_mm.core.raster_file import driver_of, gdal, has_side_files, open_raster

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

# not catch_warnings around each reading: that is not safe in threads
warnings.filterwarnings('ignore', category=NotGeoreferencedWarning)

_ALONE = dict(GDAL_DISABLE_READDIR_ON_OPEN='EMPTY_DIR')  # no look at the folder for side files
_BGR = (3, 2, 1)


@contextmanager
def _gdal(path: str | os.PathLike, error: type[SamrsError]) -> Iterator[None]:
    """Read by GDAL inside, with errors that name the file."""
    try:
        with gdal(**_ALONE):
            yield
    except (RasterioError, OSError, ValueError) as cause:
        path = Path(path)
        if not path.exists():
            raise error(f'{path}: no such file') from cause
        reason = ' '.join(str(cause.__cause__ or cause).split()).replace(str(path), path.name)
        raise error(f'{path}: cannot read it: {reason}') from cause


class _Raster:
    """Bands of an open raster file, cut as an array is: ``raster[y0:y1, x0:x1]``."""

    def __init__(
        self, path: str | os.PathLike, error: type[SamrsError], bands: int | tuple[int, ...]
    ):
        self.path, self.error, self.bands = path, error, bands
        with _gdal(path, error):
            self.file = open_raster(path)
        self.shape: tuple[int, int] = self.file.shape

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        """Return ``(h, w)`` of one band, ``(h, w, bands)`` of several."""
        height, width = self.shape
        with _gdal(self.path, self.error):
            part = self.file.read(
                self.bands, window=Window.from_slices(*window, height=height, width=width)
            )
        return part if part.ndim == 2 else cv2.merge(list(part))


class _Scene:
    """An image that ``SceneImage`` reads, cut as an array is, ``(h, w, bands)``; three are BGR."""

    def __init__(self, image: SceneImage):
        self.image = image
        self.shape: tuple[int, int] = (image.height, image.width)

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        pixels = self.image.crop(*self._place(window))
        return np.ascontiguousarray(pixels[..., ::-1] if self.image.bands == 3 else pixels)

    def valid(self, window: tuple[slice, slice]) -> np.ndarray | None:
        """Return which pixels have data; None where all have."""
        return self.image.valid(*self._place(window))

    def _place(self, window: tuple[slice, slice]) -> tuple[int, int, int, int]:
        (y0, y1, _), (x0, x1, _) = (
            part.indices(side) for part, side in zip(window, self.shape, strict=True)
        )
        return x0, y0, x1 - x0, y1 - y0


class Pixels:
    """An image and its label, in memory or in open files, of which windows can be read.

    Args:
        image: ``(H, W, C)``.
        label: ``(H, W)``, or None.
        num_classes: Number of classes to check a label file against; None checks nothing.
    """

    def __init__(
        self,
        image: np.ndarray | _Raster | _Scene,
        label: np.ndarray | _Raster | None,
        num_classes: int | None = None,
    ):
        self.image, self.label, self.num_classes = image, label, num_classes
        self.height, self.width = image.shape[:2]

    def read(self, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return rows ``y0:y1`` and columns ``x0:x1``: the image, and the label or None.

        The label is 255 where the image has no data.

        Raises:
            ImageReadError: The image is broken before the window's end.
            LabelReadError: The label is broken, or has a value that is no class and not 255.
        """
        window = slice(y0, y1), slice(x0, x1)
        image = self.image[window]
        if self.label is None:
            return image, None
        label = self.label[window]
        if isinstance(self.label, _Raster):
            check_values(label, self.num_classes, self.label.path, (y0, x0))
        valid = self.image.valid(window) if isinstance(self.image, _Scene) else None
        if valid is not None:
            label = np.where(valid, label, np.uint8(UNLABELLED))
        return image, label

    def __enter__(self) -> 'Self':
        return self

    def __exit__(self, *_: object) -> None:
        for part in (self.image, self.label):
            if isinstance(part, _Raster):
                part.file.close()


def open_files(
    image_path: str,
    label_path: str | None,
    num_classes: int | None = None,
    rule: ImageRule | None = None,
) -> Pixels:
    """Open an image file, shown by a rule, and its label file, if it has one.

    PNG is decoded from the top to the window's last row, of TIFF the blocks that it touches; other
    formats are decoded whole.

    Raises:
        ImageReadError: The image can't be read.
        LabelReadError: The label can't be read, isn't one band of 8 bits, or has another size than
            the image.
    """
    image = open_image(image_path, rule)
    label = None if label_path is None else open_label(label_path)
    if label:
        refuse_sizes(image_path, image.shape[:2], str(label_path), label.shape)
    return Pixels(image, label, num_classes)


def refuse_sizes(
    image_path: str, size: tuple[int, ...], label_path: str, label_size: tuple[int, ...]
) -> None:
    """Refuse a label of another size than its image; both are (height, width).

    Raises:
        LabelReadError: They differ.
    """
    if size != label_size:
        (height, width), (rows, columns) = size, label_size
        raise LabelReadError(
            f'{label_path}: the label is {columns} x {rows} px, its image {image_path} '
            f'{width} x {height}; they must be of one size'
        )


def open_packed(path: str | os.PathLike, num_classes: int | None = None) -> Pixels:
    """Open a file of the packed store: bands red, green, blue, label, in compressed blocks.

    Only the blocks that a window touches are decoded.

    Raises:
        ImageReadError: The file can't be opened, or isn't of the store.
    """
    image = _Raster(path, ImageReadError, _BGR)
    if image.file.count != 4:
        raise ImageReadError(f'{path}: {image.file.count} bands; a packed tile has 4')
    label = copy(image)
    label.bands = 4
    return Pixels(image, label, num_classes)


def open_image(path: str | os.PathLike, rule: ImageRule | None = None) -> _Raster | _Scene:
    """Open an RGB PNG of 8 bits for reading by rows, or any other image as annotation does.

    With a ``rule`` annotation's reader opens all.

    Raises:
        ImageReadError: The file can't be read.
    """
    if rule is None and _is_png(path) and not has_side_files(path):
        raster = _Raster(path, ImageReadError, _BGR)
        plain = all(MaskFlags.all_valid in flags for flags in raster.file.mask_flag_enums)
        if raster.file.dtypes == ('uint8',) * 3 and plain:
            return raster
        raster.file.close()
    return _Scene(SceneImage(path, stream=True, rule=rule))


def _is_png(path: str | os.PathLike) -> bool:
    try:
        return driver_of(path) == 'PNG'
    except OSError as cause:
        raise ImageReadError(f'{path}: cannot read it: {cause.strerror}') from cause


def open_label(path: str | os.PathLike) -> _Raster:
    """Open a label: a PNG of one band of 8 bits, grey or with a palette.

    Raises:
        LabelReadError: The file can't be read, or isn't that.
    """
    raster = _Raster(path, LabelReadError, 1)
    if raster.file.dtypes != ('uint8',):
        what = ', '.join(raster.file.dtypes)
        raster.file.close()
        colour = ',' in what
        cure = 'is this a folder of colour pictures?' if colour else 'save it with 8 bits a pixel'
        raise LabelReadError(
            f'{path}: bands {what}; a label is one band of 8-bit class indices ({cure})'
        )
    return raster


def read_label(path: str | os.PathLike) -> np.ndarray:
    """Return a label file as ``(H, W)`` uint8 class indices.

    Raises:
        LabelReadError: The file can't be read, or isn't one band of 8 bits.
    """
    raster = open_label(path)
    with raster.file:
        return raster[:, :]


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
