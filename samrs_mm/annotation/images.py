"""Read any image as three channels of 8 bit, saying what was done to get there; write PNG.

Pillow reads 8-bit files (it alone was seen to report every truncated PNG and JPEG); rasterio
reads what has more than 8 bits. Pixels are those stored: an orientation that EXIF or TIFF tags ask
for is ignored, since boxes are annotated in stored pixels.
"""

import contextlib
import hashlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import rasterio
from PIL import Image, UnidentifiedImageError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from samrs_mm.annotation.errors import ImageReadError, SamrsError
from samrs_mm.annotation.folder import atomic_write

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp')
PERCENTILE = 99.9
"""Images of more than 8 bits are scaled so that this percentile of all bands becomes 255."""

_EIGHT_BIT_MODES = ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBX', 'CMYK', 'YCbCr')
_BITS_PER_SAMPLE, _ORIENTATION, _UPRIGHT = 258, 274, 1
_STRIP = 256
_GDAL_CACHE_MB = 256
_READ_ERRORS = (OSError, SyntaxError, ValueError, RasterioError)


@contextlib.contextmanager
def _pillow() -> Iterator[None]:
    """Lift Pillow's guard against decompression bombs (DOTA has scenes of 800 Mpx); no warnings.

    What it warns of (odd metadata, transparency) is of no use here, or is an error later.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@contextlib.contextmanager
def _rasterio_file(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open with rasterio; GDAL's cache would otherwise take a share of all memory there is."""
    options = dict(GDAL_ERROR_ON_LIBJPEG_WARNING='YES', GDAL_CACHEMAX=_GDAL_CACHE_MB)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', NotGeoreferencedWarning)
        with rasterio.Env(**options), rasterio.open(path) as file:
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

    Attributes:
        width: Width in pixels.
        height: Height in pixels.
        notes: What was changed to get 8-bit RGB, in words; empty if nothing.

    Raises:
        ImageReadError: Missing, empty, truncated or unreadable file.
    """

    def __init__(self, path: str | os.PathLike):
        path = Path(path)
        try:
            with _pillow():
                self._pixels = _open_pixels(path)
        except _READ_ERRORS as error:
            raise _reason(path, error) from error
        self.width, self.height = self._pixels.size
        self.notes = self._pixels.notes

    def crop(
        self, x: int, y: int, width: int, height: int, pad: tuple[int, int, int] = (0, 0, 0)
    ) -> np.ndarray:
        """Return a window as ``(height, width, 3)`` uint8 RGB.

        Args:
            x: Left edge in scene pixels.
            y: Top edge in scene pixels.
            width: Window width; may reach beyond the right border.
            height: Window height; may reach beyond the bottom border.
            pad: RGB of what lies beyond the border.
        """
        right, bottom = min(x + width, self.width), min(y + height, self.height)
        window = np.empty((height, width, 3), np.uint8)
        if (right - x, bottom - y) != (width, height):
            window[:] = pad
        for top in range(y, bottom, _STRIP):
            end = min(top + _STRIP, bottom)
            window[top - y : end - y, : right - x] = self._pixels.window(x, top, right, end)
        return window

    def read(self) -> np.ndarray:
        """Return the whole image as ``(H, W, 3)`` uint8 RGB."""
        return self.crop(0, 0, self.width, self.height)


class _EightBitPixels:
    """An image that Pillow decodes, in its own mode."""

    def __init__(self, image: Image.Image):
        image.load()
        self._image, self.size = image, image.size
        self.notes = _eight_bit_notes(image.mode)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        with _pillow():
            part = self._image.crop((x0, y0, x1, y1))
            return np.asarray(part if part.mode == 'RGB' else part.convert('RGB'))


class _DeepPixels:
    """The bands of an image that rasterio reads, in their own type."""

    def __init__(self, path: Path):
        with _rasterio_file(path) as file:
            self.size, count = (file.width, file.height), file.count
            self._bands = _read_bands(file, 3 if count >= 3 else 1)
        self.notes, self._top = (), None
        if count != 3:
            what = 'extra bands dropped' if count > 3 else 'grey replicated to 3 channels'
            self.notes = (f'{count} band{"s" * (count > 1)}: {what}',)
        if self._bands.dtype != np.uint8:
            self._top = _percentile(self._bands)
            scale = f'0..{self._top:g} (P{PERCENTILE}) to 0..255'
            self.notes += (f'{self._bands.dtype} scaled: {scale}',)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        part = self._bands[:, y0:y1, x0:x1]
        if self._top is not None:
            with np.errstate(over='ignore', invalid='ignore'):
                scaled = np.clip(part.astype(np.float32) * (255 / self._top), 0, 255)
            part = np.rint(np.nan_to_num(scaled)).astype(np.uint8)
        return np.broadcast_to(part, (3, *part.shape[1:])).transpose(1, 2, 0)


def _open_pixels(path: Path) -> _EightBitPixels | _DeepPixels:
    try:
        image = Image.open(path)
    except UnidentifiedImageError:
        return _DeepPixels(path)
    with image:
        return _DeepPixels(path) if _for_rasterio(image) else _EightBitPixels(image)


def _for_rasterio(image: Image.Image) -> bool:
    """Whether Pillow would cut the file down to 8 bits silently, or turn it."""
    if image.mode not in _EIGHT_BIT_MODES:
        return True
    if image.format == 'TIFF':
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (8,))
        turned = image.tag_v2.get(_ORIENTATION, _UPRIGHT) != _UPRIGHT
        return turned or max(bits if isinstance(bits, tuple) else (bits,)) > 8
    return image.format == 'PNG' and any('16' in str(tile[3]) for tile in image.tile)


def _eight_bit_notes(mode: str) -> tuple[str, ...]:
    if mode == 'RGB':
        return ()
    if mode in ('L', '1'):
        return ('1 band: grey replicated to 3 channels',)
    if mode in ('RGBA', 'LA', 'PA', 'RGBX'):
        return (f'{mode}: alpha dropped',)
    return (f'{mode} converted to RGB',)


def _read_bands(file: rasterio.DatasetReader, count: int) -> np.ndarray:
    """Return the first bands ``(count, H, W)``, read in strips: each is decoded only once."""
    dtype = np.result_type(*file.dtypes[:count])
    if dtype.kind not in 'iuf':
        raise ValueError(f'{dtype} pixels can not be shown; whole or real numbers can')
    bands = np.empty((count, file.height, file.width), dtype)
    block = file.block_shapes[0][0]
    rows = max(_STRIP // block, 1) * block
    indexes = list(range(1, count + 1))
    for y in range(0, file.height, rows):
        window = Window(0, y, file.width, min(rows, file.height - y))
        bands[:, y : y + rows] = file.read(indexes, window=window)
    return bands


def _percentile(bands: np.ndarray) -> float:
    """Return the ``PERCENTILE`` of all finite values; 1 where that is not above 0.

    Values of 16 bits are counted: ``np.percentile`` holds several copies, and overflows in int16.
    """
    if bands.dtype.itemsize > 2 or bands.dtype.kind == 'f':
        finite = bands[np.isfinite(bands)]
        finite = finite if bands.dtype.kind == 'f' else finite.astype(np.float64)
        top = np.percentile(finite, PERCENTILE) if len(finite) else 0
    else:
        lowest = int(np.iinfo(bands.dtype).min)
        counts = np.zeros(1 << 16, np.int64)
        for band in bands:
            for y in range(0, len(band), _STRIP):
                values = band[y : y + _STRIP].astype(np.intp).ravel() - lowest
                counts += np.bincount(values, minlength=len(counts))
        rank = PERCENTILE / 100 * (bands.size - 1)
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
        with _pillow(), contextlib.suppress(UnidentifiedImageError), Image.open(path) as im:
            if not _for_rasterio(im):
                return im.size
        with _rasterio_file(path) as file:
            return file.width, file.height
    except _READ_ERRORS as error:
        raise _reason(path, error) from error


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write ``(H, W)`` grey or ``(H, W, 3)`` RGB uint8 pixels as a PNG, whole or not at all.

    Raises:
        SamrsError: The pixels can't be encoded.
        OSError: The file can't be written.
    """
    encoded, data = cv2.imencode('.png', pixels if pixels.ndim == 2 else pixels[..., ::-1])
    if not encoded:
        raise SamrsError(f'{path}: {pixels.shape} pixels could not be encoded as PNG')
    atomic_write(path, data.tobytes())


def file_sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes, as hex."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
