"""Read any image as three channels of 8 bit, saying what was done to get there; write PNG.

Pillow reads 8-bit files (it alone was seen to report every truncated PNG and JPEG); rasterio
reads what has more than 8 bits. Pixels are those stored: an orientation that EXIF or TIFF tags ask
for is ignored, since boxes are annotated in stored pixels.
"""

import contextlib
import hashlib
import math
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from rasterio.errors import RasterioError
from rasterio.windows import Window

from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import ImageReadError, SamrsError

IMAGE_SUFFIXES = (
    '.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.tif', '.tiff', '.bmp', '.webp', '.gif', '.jp2',
    '.j2k', '.ppm', '.pgm', '.pnm',
)  # fmt: skip
PERCENTILE = 99.9
"""Images of more than 8 bits are scaled so that this percentile of all bands becomes 255."""

_EIGHT_BIT_MODES = ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBX', 'CMYK', 'YCbCr')
_BITS_PER_SAMPLE, _PHOTOMETRIC, _ORIENTATION, _UPRIGHT = 258, 262, 274, 1
_STRIP = 256
_GDAL_CACHE_MB = 256
_GDAL_OPTIONS = dict(GDAL_ERROR_ON_LIBJPEG_WARNING='YES', GDAL_CACHEMAX=_GDAL_CACHE_MB)
_LARGEST_BLOCK = 1 << 25
_BLACK_IS_ZERO = 1
_READ_ERRORS = (OSError, SyntaxError, ValueError, RasterioError)


class _Relaxed:
    """Lifts Pillow's guard against decompression bombs (DOTA has scenes of 800 Mpx); no warnings.

    What is warned of (odd metadata, transparency, no place on the map) is of no use here, or is an
    error later. Limit and warnings are the whole process's: the first of several threads that are
    inside sets them, the last one restores them.
    """

    def __init__(self):
        self._lock, self._inside = threading.Lock(), 0

    def __enter__(self):
        with self._lock:
            if not self._inside:
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.simplefilter('ignore')
            self._inside += 1

    def __exit__(self, *_: object):
        with self._lock:
            self._inside -= 1
            if not self._inside:
                Image.MAX_IMAGE_PIXELS = self._limit
                self._warnings.__exit__(None, None, None)


_relaxed = _Relaxed()


@contextlib.contextmanager
def _rasterio_file(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open with rasterio; GDAL's cache would otherwise take a part of all memory there is."""
    with _relaxed, rasterio.Env(**_GDAL_OPTIONS), rasterio.open(path) as file:
        yield file


def _reason(path: Path, error: BaseException) -> ImageReadError:
    if not path.exists():
        return ImageReadError(f'{path}: no such image')
    if path.is_file() and path.stat().st_size == 0:
        return ImageReadError(f'{path}: the image file is empty (0 bytes)')
    text = ' '.join(str(error).split()).replace(str(path), path.name)
    return ImageReadError(f'{path}: cannot read the image: {text}')


class SceneImage:
    """One image, decoded once, from which windows are cut.

    It is held as stored and brought to 8-bit RGB window by window, so that a scene takes 4 bytes a
    pixel (RGB), 1 (grey) or 6 (16-bit RGB), and no more while it is decoded.

    Args:
        path: PNG, JPEG, TIFF or BMP; grey, RGB or with alpha; 8 bit or more.
        stream: Leave a TIFF of small blocks on disk and read windows as they are asked for, so that
            it takes next to no memory; other files, and values of more than 16 bits, are held. The
            pixels are the same, but for JPEG in TIFF with reduced colour, whose colours differ by
            about 1 on average: Pillow interpolates them, rasterio repeats them.

    ``width`` and ``height`` are in pixels; ``notes`` say what was changed to get 8-bit RGB.

    Raises:
        ImageReadError: Missing, empty, truncated or unreadable file.
    """

    def __init__(self, path: str | os.PathLike, stream: bool = False):
        self._path = path = Path(path)
        self._pixels: _EightBitPixels | _DeepPixels | _ArrayPixels
        try:
            with _relaxed:
                self._pixels = _open_pixels(path, stream)
        except _READ_ERRORS as error:
            raise _reason(path, error) from error
        self.width, self.height = self._pixels.size
        self.notes = self._pixels.notes

    @classmethod
    def of_array(cls, pixels: np.ndarray) -> 'SceneImage':
        """Return the image of pixels ``(H, W, 3)`` uint8 RGB that are in memory, not copied."""
        image = cls.__new__(cls)
        image._path, image._pixels = Path(), _ArrayPixels(pixels)
        image.width, image.height = image._pixels.size
        image.notes = image._pixels.notes
        return image

    def crop(
        self, x: int, y: int, width: int, height: int, pad: tuple[int, int, int] = (0, 0, 0)
    ) -> np.ndarray:
        """Return a window as ``(height, width, 3)`` uint8 RGB.

        It may reach beyond the right and bottom border; what lies there is ``pad`` (RGB).

        Raises:
            ImageReadError: A streamed file is damaged there.
        """
        right, bottom = min(x + width, self.width), min(y + height, self.height)
        window = np.empty((height, width, 3), np.uint8)
        if (right - x, bottom - y) != (width, height):
            window[:] = pad
        for top in range(y, bottom, _STRIP):
            end = min(top + _STRIP, bottom)
            try:
                part = self._pixels.window(x, top, right, end)
            except _READ_ERRORS as error:
                raise _reason(self._path, error) from error
            window[top - y : end - y, : right - x] = part
        return window

    def read(self) -> np.ndarray:
        """Return the whole image as ``(H, W, 3)`` uint8 RGB."""
        return self.crop(0, 0, self.width, self.height)


class _EightBitPixels:
    """An image that Pillow decodes, in its own mode."""

    def __init__(self, image: Image.Image):
        image.load()
        self._image = image
        self.size: tuple[int, int] = image.size
        self.notes = _eight_bit_notes(image.mode)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        with _relaxed:
            part = self._image.crop((x0, y0, x1, y1))
            return np.asarray(part if part.mode == 'RGB' else part.convert('RGB'))


class _ArrayPixels:
    """An image ``(H, W, 3)`` uint8 RGB that is there already."""

    notes: tuple[str, ...] = ()

    def __init__(self, pixels: np.ndarray):
        self._array = pixels
        self.size: tuple[int, int] = (pixels.shape[1], pixels.shape[0])

    def window(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        return self._array[y0:y1, x0:x1]


class _DeepPixels:
    """The bands of an image that rasterio reads, in their own type; held, or left on disk."""

    def __init__(self, path: Path, stream: bool):
        with _rasterio_file(path) as file:
            count: int = file.count
            self.size: tuple[int, int] = (file.width, file.height)
            self._indexes = list(range(1, (3 if count >= 3 else 1) + 1))
            dtype = _dtype(file, self._indexes)
            stream = stream and _streamable(file, dtype)
            self._bands = None if stream else _read_bands(file, self._indexes, dtype)
            strips = _strips(file, self._indexes) if self._bands is None else [self._bands]
            self._top = None if dtype == np.uint8 else _percentile(strips, dtype)
        self._file: Any = rasterio.open(path) if stream else None
        self.notes: tuple[str, ...] = ()
        if count != 3:
            what = 'extra bands dropped' if count > 3 else 'grey replicated to 3 channels'
            self.notes = (f'{count} band{"s" * (count > 1)}: {what}',)
        if self._top is not None:
            scale = f'0..{self._top:g} (P{PERCENTILE}) to 0..255'
            self.notes += (f'{dtype} scaled: {scale}',)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        if self._bands is not None:
            part = self._bands[:, y0:y1, x0:x1]
        else:
            with rasterio.Env(**_GDAL_OPTIONS):
                part = self._file.read(self._indexes, window=Window(x0, y0, x1 - x0, y1 - y0))
        if self._top is not None:
            with np.errstate(over='ignore', invalid='ignore'):
                scaled = np.clip(part.astype(np.float32) * (255 / self._top), 0, 255)
            part = np.rint(np.nan_to_num(scaled)).astype(np.uint8)
        return np.broadcast_to(part, (3, *part.shape[1:])).transpose(1, 2, 0)


def _open_image(path: Path) -> Image.Image:
    """Open with Pillow, whatever the suffix, but no PostScript: Ghostscript would run it."""
    image = Image.open(path)
    if image.format == 'EPS':
        image.close()
        raise UnidentifiedImageError
    return image


def _open_pixels(path: Path, stream: bool) -> _EightBitPixels | _DeepPixels:
    try:
        image = _open_image(path)
    except UnidentifiedImageError:
        return _DeepPixels(path, stream)
    with image:
        if _for_rasterio(image) or (stream and _same_in_rasterio(image)):
            return _DeepPixels(path, stream)
        return _EightBitPixels(image)


def _for_rasterio(image: Image.Image) -> bool:
    """Whether Pillow would cut the file down to 8 bits silently, or turn it."""
    if image.mode not in _EIGHT_BIT_MODES:
        return True
    if isinstance(image, TiffImageFile):
        turned = image.tag_v2.get(_ORIENTATION, _UPRIGHT) != _UPRIGHT
        return turned or max(np.atleast_1d(image.tag_v2.get(_BITS_PER_SAMPLE, 8))) > 8
    return isinstance(image, PngImageFile) and any('16' in str(tile[3]) for tile in image.tile)


def _same_in_rasterio(image: Image.Image) -> bool:
    """Whether a file of 8 bits is a TIFF that rasterio reads as Pillow does."""
    if not isinstance(image, TiffImageFile) or image.mode not in ('L', 'LA', 'RGB', 'RGBA', 'RGBX'):
        return False
    bits = np.atleast_1d(image.tag_v2.get(_BITS_PER_SAMPLE, 1))
    return (bits == 8).all() and image.tag_v2.get(_PHOTOMETRIC, 0) >= _BLACK_IS_ZERO


def _streamable(file: rasterio.DatasetReader, dtype: np.dtype) -> bool:
    """Whether windows can be read from disk in any order without decoding much more."""
    block = max(map(math.prod, file.block_shapes)) * file.count * dtype.itemsize
    return file.driver == 'GTiff' and block <= _LARGEST_BLOCK and _countable(dtype)


def _eight_bit_notes(mode: str) -> tuple[str, ...]:
    if mode == 'RGB':
        return ()
    if mode in ('L', '1'):
        return ('1 band: grey replicated to 3 channels',)
    if mode in ('RGBA', 'LA', 'PA', 'RGBX'):
        return (f'{mode}: alpha dropped',)
    return (f'{mode} converted to RGB',)


def _dtype(file: rasterio.DatasetReader, indexes: list[int]) -> np.dtype:
    dtype = np.result_type(*(file.dtypes[index - 1] for index in indexes))
    if dtype.kind not in 'iuf':
        raise ValueError(f'{dtype} pixels can not be shown; whole or real numbers can')
    return dtype


def _read_bands(file: rasterio.DatasetReader, indexes: list[int], dtype: np.dtype) -> np.ndarray:
    """Return bands ``(count, H, W)``."""
    bands = np.empty((len(indexes), file.height, file.width), dtype)
    y = 0
    for strip in _strips(file, indexes):
        bands[:, y : y + strip.shape[1]] = strip
        y += strip.shape[1]
    return bands


def _strips(file: rasterio.DatasetReader, indexes: list[int]) -> Iterator[np.ndarray]:
    """Yield bands ``(count, rows, W)`` from the top, in rows of blocks: each is decoded once."""
    block = file.block_shapes[0][0]
    rows = max(_STRIP // block, 1) * block
    for y in range(0, file.height, rows):
        yield file.read(indexes, window=Window(0, y, file.width, min(rows, file.height - y)))


def _countable(dtype: np.dtype) -> bool:
    return dtype.itemsize <= 2 and dtype.kind in 'iu'


def _percentile(strips: Iterable[np.ndarray], dtype: np.dtype) -> float:
    """Return the ``PERCENTILE`` of all finite values; 1 where that is not above 0.

    Values of 16 bits are counted: ``np.percentile`` holds several copies, and overflows in int16.
    """
    if not _countable(dtype):
        (bands,) = strips
        finite = bands[np.isfinite(bands)]
        finite = finite if dtype.kind == 'f' else finite.astype(np.float64)
        top = np.percentile(finite, PERCENTILE) if len(finite) else 0
    else:
        lowest = int(np.iinfo(dtype).min)
        counts = np.zeros(1 << 16, np.int64)
        for strip in strips:
            for rows in np.array_split(strip, range(_STRIP, strip.shape[1], _STRIP), axis=1):
                values = rows.astype(np.intp).ravel() - lowest
                counts += np.bincount(values, minlength=len(counts))
        rank = PERCENTILE / 100 * (counts.sum() - 1)
        below = np.searchsorted(np.cumsum(counts), [int(rank), np.ceil(rank)], side='right')
        top = np.interp(rank % 1, (0, 1), below + lowest)
    return float(top) if top > 0 else 1.0


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Return ``(width, height)`` in pixels from the file's header.

    Raises:
        ImageReadError: Missing, empty or unknown file.
    """
    path = Path(path)
    try:
        with _relaxed, contextlib.suppress(UnidentifiedImageError), _open_image(path) as im:
            if not _for_rasterio(im):
                return im.size
        with _rasterio_file(path) as file:
            return file.width, file.height
    except _READ_ERRORS as error:
        raise _reason(path, error) from error


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write ``(H, W)`` grey or ``(H, W, 3)`` RGB uint8 pixels as a PNG, whole or not at all."""
    encoded, data = cv2.imencode('.png', pixels if pixels.ndim == 2 else pixels[..., ::-1])
    if not encoded:
        raise SamrsError(f'{path}: {pixels.shape} pixels could not be encoded as PNG')
    atomic_write(path, data.tobytes())


def file_sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes, as hex."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
