"""Read any image as three channels of 8 bit, and say what was done to get there.

Pillow reads 8-bit files (it alone was seen to report every truncated PNG and JPEG); rasterio
reads what has more than 8 bits.
"""

import contextlib
import hashlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image, UnidentifiedImageError
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from samrs_mm.annotation.errors import ImageReadError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp')
PERCENTILE = 99.9
"""Images of more than 8 bits are scaled so that this percentile of all bands becomes 255."""

_EIGHT_BIT_MODES = ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBX', 'CMYK', 'YCbCr')


@contextlib.contextmanager
def _no_pixel_limit() -> Iterator[None]:
    """Lift Pillow's guard against decompression bombs: DOTA has scenes of 800 Mpx."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _reason(path: Path, error: BaseException) -> ImageReadError:
    if not path.exists():
        return ImageReadError(f'{path}: no such image')
    if path.stat().st_size == 0:
        return ImageReadError(f'{path}: the image file is empty (0 bytes)')
    text = ' '.join(str(error).split()).replace(str(path), path.name)
    return ImageReadError(f'{path}: cannot read the image: {text}')


class SceneImage:
    """One image, decoded once, from which windows are cut.

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
            with _no_pixel_limit():
                self._open(path)
        except (OSError, SyntaxError, ValueError, RasterioError) as error:
            raise _reason(path, error) from error

    def _open(self, path: Path) -> None:
        try:
            image = Image.open(path)
        except UnidentifiedImageError:
            self._open_deep(path)
            return
        with image:
            if _is_deep(image):
                self._open_deep(path)
                return
            image.load()
            self.notes = _eight_bit_notes(image)
            self._pixels = image if image.mode == 'RGB' else image.convert('RGB')
        self.width, self.height = self._pixels.size

    def _open_deep(self, path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', NotGeoreferencedWarning)
            with rasterio.Env(GDAL_ERROR_ON_LIBJPEG_WARNING='YES'), rasterio.open(path) as file:
                bands = file.read()
        colour = bands[:3] if len(bands) >= 3 else bands[:1]
        self.notes = ()
        if len(bands) != 3:
            what = 'grey replicated to 3 channels' if len(colour) == 1 else 'extra bands dropped'
            self.notes = (f'{len(bands)} bands: {what}',)
        if colour.dtype != np.uint8:
            top = float(np.percentile(colour, PERCENTILE)) or 1.0
            scaled = np.clip(colour.astype(np.float32) * (255 / top), 0, 255)
            self.notes += (f'{colour.dtype} scaled: 0..{top:g} (P{PERCENTILE}) to 0..255',)
            colour = np.rint(np.nan_to_num(scaled)).astype(np.uint8)
        colour = np.broadcast_to(colour, (3, *colour.shape[1:]))
        self._pixels = Image.fromarray(np.ascontiguousarray(colour.transpose(1, 2, 0)))
        self.width, self.height = self._pixels.size

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
        inside = np.asarray(self._pixels.crop((x, y, right, bottom)))
        if inside.shape[:2] == (height, width):
            return inside.copy()
        window = np.empty((height, width, 3), np.uint8)
        window[:] = pad
        window[: bottom - y, : right - x] = inside
        return window

    def read(self) -> np.ndarray:
        """Return the whole image as ``(H, W, 3)`` uint8 RGB."""
        return self.crop(0, 0, self.width, self.height)


def _is_deep(image: Image.Image) -> bool:
    """Whether a file holds more than 8 bits a channel (Pillow cuts 16-bit RGB down silently)."""
    if image.mode not in _EIGHT_BIT_MODES:
        return True
    if image.format == 'TIFF':
        bits = image.tag_v2.get(258, (8,))
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    return any('16' in str(tile[3]) for tile in image.tile)


def _eight_bit_notes(image: Image.Image) -> tuple[str, ...]:
    if image.mode == 'RGB':
        return ()
    if image.mode in ('L', '1'):
        return ('1 band: grey replicated to 3 channels',)
    if image.mode in ('RGBA', 'LA', 'PA', 'RGBX'):
        return (f'{image.mode}: alpha dropped',)
    return (f'{image.mode} converted to RGB',)


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Return ``(width, height)`` in pixels from the file's header.

    Raises:
        ImageReadError: Missing, empty or unknown file.
    """
    path = Path(path)
    try:
        with _no_pixel_limit(), contextlib.suppress(UnidentifiedImageError), Image.open(path) as im:
            return im.size
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', NotGeoreferencedWarning)
            with rasterio.open(path) as file:
                return file.width, file.height
    except (OSError, SyntaxError, ValueError, RasterioError) as error:
        raise _reason(path, error) from error


def file_sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes, as hex."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
