"""Read any image as three channels of 8 bit, saying what was done to get there; write PNG.

This is the one reader of pictures: annotation, tiles, training and prediction see the same pixels
of a file. rasterio reads TIFF and JPEG 2000, and PNG of more than 8 bits; Pillow reads the rest (it
alone was seen to report every truncated PNG and JPEG). Pixels are those stored: an orientation that
EXIF or TIFF tags ask for is ignored, since boxes are annotated in stored pixels.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile
from rasterio.errors import RasterioError

from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import ImageReadError, SamrsError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.orientation import orientation_in, orientation_note, orientation_of
from samrs_mm.core.raster_file import (
    gdal,
    has_side_files,
    known_driver_of,
    open_raster,
    relaxed,
)
from samrs_mm.core.raster_pixels import RasterPixels, mask_beside, streamable
from samrs_mm.core.rendering import COLOURS, Stretch

IMAGE_SUFFIXES = (
    '.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.tif', '.tiff', '.bmp', '.webp', '.gif', '.jp2',
    '.j2k', '.ppm', '.pgm', '.pnm',
)  # fmt: skip
_EIGHT_BIT_MODES = ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBX', 'CMYK', 'YCbCr')
_ALPHA_MODES = ('LA', 'PA', 'RGBA')
_PILLOW_FORMATS = ('PNG', 'JPEG', 'BMP', 'GIF', 'WEBP', 'PPM')
_BY_RASTERIO = ('GTiff', 'JP2OpenJPEG')
_STRIP = 256
_NUMBER = re.compile(r'-?\d+(?:\.\d+)?(?:e[+-]?\d+)?')
_READ_ERRORS = (OSError, SyntaxError, ValueError, RasterioError)


def _reason(path: Path, error: BaseException) -> ImageReadError:
    if not path.exists():
        return ImageReadError(f'{path}: no such image')
    if path.is_file() and path.stat().st_size == 0:
        return ImageReadError(f'{path}: the image file is empty (0 bytes)')
    if isinstance(error, RasterioError) and error.__cause__:
        error = error.__cause__  # rasterio itself says no more than that reading failed
    text = ' '.join(str(error).split()).replace(str(path), path.name)
    return ImageReadError(f'{path}: cannot read the image: {text}')


class SceneImage:
    """One image, decoded once, from which windows are cut.

    It is held as stored and brought to 8-bit RGB window by window, so that a scene takes 3 bytes a
    pixel (RGB; PNG and JPEG 4), 1 (grey) or 6 (16-bit RGB), and no more while it is decoded. What
    is shown, and how, is the same for all windows of a file; see ``rendering``.

    Pixels without data (a nodata value, alpha 0, a mask, NaN) are black.

    Args:
        path: TIFF, PNG, JPEG, JPEG 2000, BMP, GIF, WebP or PNM, by its content.
        stream: Leave a TIFF of small blocks on disk and read windows as they are asked for, so that
            it takes next to no memory; other files are held. The pixels are the same.
        stored: Give pixels without data as they are stored, for pictures that are labels.
        rule: How it is shown, as a config says it; rasterio reads all kinds of files then.
        known: Its ``stretch``, where it was found out before; by the same rule.

    ``width`` and ``height`` are in pixels; ``notes`` say what was changed to get 8-bit RGB; where
    ``gaps`` is False, all pixels have data. ``stretch`` says which values
    of its ``channels`` became 0 and 255. ``bands`` and ``dtype`` are those of its windows: 3 and
    uint8, unless ``rule.form`` says otherwise.

    Raises:
        ImageReadError: Missing, empty, truncated or unreadable file.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        stream: bool = False,
        stored: bool = False,
        rule: ImageRule | None = None,
        known: Stretch | None = None,
    ):
        self._path, self._stored = (path := Path(path)), stored
        self._pixels: _PillowPixels | RasterPixels | _ArrayPixels
        try:
            with relaxed:
                self._pixels = _open_pixels(path, stream, rule, known)
        except _READ_ERRORS as error:
            raise _reason(path, error) from error
        self.width, self.height = self._pixels.size
        self.notes = (*self._pixels.notes, *orientation_note(path))
        self.gaps, self.stretch = self._pixels.gaps, self._pixels.stretch
        self.channels: tuple[str, ...] = self._pixels.channels
        self.bands, self.dtype = self._pixels.bands, self._pixels.dtype

    @classmethod
    def of_array(cls, pixels: np.ndarray) -> 'SceneImage':
        """Return the image of pixels ``(H, W, C)`` that are in memory, not copied; RGB of three."""
        image = cls.__new__(cls)
        image._path, image._pixels, image._stored = Path(), _ArrayPixels(pixels), True
        image.width, image.height = image._pixels.size
        image.notes, image.gaps = image._pixels.notes, image._pixels.gaps
        image.stretch, image.channels = image._pixels.stretch, image._pixels.channels
        image.bands, image.dtype = image._pixels.bands, image._pixels.dtype
        return image

    @property
    def path(self) -> Path:
        """The file; an empty path of pixels that are in memory."""
        return self._path

    def crop(
        self, x: int, y: int, width: int, height: int, pad: tuple[int, int, int] = (0, 0, 0)
    ) -> np.ndarray:
        """Return a window as ``(height, width, bands)``, uint8 RGB of a picture.

        It may reach beyond the right and bottom border; what lies there is ``pad`` (RGB), or 0 of
        other than three bands.

        Raises:
            ImageReadError: A streamed file is damaged there.
        """
        right, bottom = min(x + width, self.width), min(y + height, self.height)
        window = np.empty((height, width, self.bands), self.dtype)
        if (right - x, bottom - y) != (width, height):
            window[:] = pad if self.bands == 3 else 0
        for top in range(y, bottom, _STRIP):
            end = min(top + _STRIP, bottom)
            try:
                part = self._pixels.window(x, top, right, end)
                valid = None if self._stored else self._pixels.valid(x, top, right, end)
            except _READ_ERRORS as error:
                raise _reason(self._path, error) from error
            if valid is not None:
                part = np.where(valid[..., None], part, part.dtype.type(0))
            window[top - y : end - y, : right - x] = part
        return window

    def valid(self, x: int, y: int, width: int, height: int) -> np.ndarray | None:
        """Return which pixels of a window have data, ``(height, width)`` bool; None where all have.

        What lies beyond the border counts as data.

        Raises:
            ImageReadError: A streamed file is damaged there.
        """
        right, bottom = min(x + width, self.width), min(y + height, self.height)
        try:
            found = self._pixels.valid(x, y, right, bottom)
        except _READ_ERRORS as error:
            raise _reason(self._path, error) from error
        if found is None or found.all():
            return None
        below, beside = height - found.shape[0], width - found.shape[1]
        return np.pad(found, ((0, below), (0, beside)), constant_values=True)

    def read(self) -> np.ndarray:
        """Return the whole image as ``(H, W, bands)``, uint8 RGB of a picture."""
        return self.crop(0, 0, self.width, self.height)


class _PillowPixels:
    """An image that Pillow decodes, in its own mode; see ``RasterPixels``."""

    stretch, channels = Stretch(), COLOURS
    bands, dtype = 3, np.dtype(np.uint8)

    def __init__(self, image: Image.Image, path: Path):
        image.load()
        self._image = image
        self._beside = mask_beside(path) if has_side_files(path) else None
        self._alpha = image.mode in _ALPHA_MODES or 'transparency' in image.info
        self.gaps = self._alpha or self._beside is not None
        self.size: tuple[int, int] = image.size
        self.notes = _eight_bit_notes(image.mode)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        with relaxed:
            part = self._image.crop((x0, y0, x1, y1))
            return np.asarray(part if part.mode == 'RGB' else part.convert('RGB'))

    def valid(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray | None:
        if not self.gaps:
            return None
        valid = np.ones((y1 - y0, x1 - x0), bool)
        if self._alpha:
            with relaxed:
                part = self._image.crop((x0, y0, x1, y1)).convert('RGBA')
                valid &= np.asarray(part.getchannel('A')) != 0
        if self._beside is not None:
            valid &= self._beside[y0:y1, x0:x1]
        return valid


class _ArrayPixels:
    """An image ``(H, W, C)`` that is there already."""

    notes: tuple[str, ...] = ()
    gaps = False
    stretch, channels = Stretch(), COLOURS

    def __init__(self, pixels: np.ndarray):
        self._array = pixels
        self.size: tuple[int, int] = (pixels.shape[1], pixels.shape[0])
        self.bands, self.dtype = pixels.shape[2], pixels.dtype

    def window(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        return self._array[y0:y1, x0:x1]

    def valid(self, x0: int, y0: int, x1: int, y1: int) -> None:
        return None


def _open_image(path: Path) -> Image.Image:
    """Open with Pillow, whatever the suffix, as one of few formats: PostScript is a program."""
    try:
        return Image.open(path, formats=_PILLOW_FORMATS)
    except UnidentifiedImageError as error:
        raise ValueError('the file is damaged at its beginning') from error


def _open_pixels(
    path: Path, stream: bool, rule: ImageRule | None, known: Stretch | None
) -> _PillowPixels | RasterPixels:
    if rule is None and known_driver_of(path) not in _BY_RASTERIO:
        with _open_image(path) as image:
            if not _deep(image):
                return _PillowPixels(image, path)
    return RasterPixels(path, stream, rule, known)


def _deep(image: Image.Image) -> bool:
    """Whether Pillow would cut the file down to 8 bits silently."""
    if image.mode not in _EIGHT_BIT_MODES:
        return True
    return isinstance(image, PngImageFile) and any('16' in str(tile[3]) for tile in image.tile)


def _eight_bit_notes(mode: str) -> tuple[str, ...]:
    if mode == 'RGB':
        return ()
    if mode in ('L', '1'):
        return ('1 band: grey replicated to 3 channels',)
    if mode in ('RGBA', 'LA', 'PA', 'RGBX'):
        return (f'{mode}: alpha dropped',)
    return (f'{mode} converted to RGB',)


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Return ``(width, height)`` in pixels from the file's header.

    Raises:
        ImageReadError: Missing, empty or unknown file.
    """
    with _open_header(Path(path)) as (size, _):
        return size


def is_streamed(path: str | os.PathLike) -> bool:
    """Whether ``SceneImage`` leaves a file on disk if it may; False for one that can't be read."""
    with contextlib.suppress(*_READ_ERRORS), relaxed, gdal():
        if known_driver_of(path) in _BY_RASTERIO:
            with open_raster(path) as file:
                return streamable(file)
    return False


def image_header(path: str | os.PathLike) -> tuple[int, int, int]:
    """Return ``(width, height, orientation)`` of an image file: pixels as stored, EXIF's 1 to 8.

    Raises:
        ImageReadError: Missing, empty or unknown file.
    """
    path = Path(path)
    with _open_header(path) as (size, image):
        if image is not None:
            return *size, orientation_in(image, path)
    return *size, orientation_of(path)


@contextlib.contextmanager
def _open_header(path: Path) -> Iterator[tuple[tuple[int, int], Image.Image | None]]:
    """Yield width and height of a file, and the file as Pillow opened it; None for rasterio's."""
    try:
        with relaxed:
            if known_driver_of(path) not in _BY_RASTERIO:
                with _open_image(path) as image:
                    yield image.size, image
                return
            with gdal(), open_raster(path) as file:
                size = file.width, file.height
            yield size, None
    except _READ_ERRORS as error:
        raise _reason(path, error) from error


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 pixels as a PNG, whole or not at all: ``(H, W)`` grey, else RGB or RGBA."""
    bgr = pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    encoded, data = cv2.imencode('.png', bgr)
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


def note_lines(notes: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the notes of images by name as lines to print; those that differ in numbers are one.

    Example:
        >>> note_lines({'a.tif': ['uint16 scaled: 0..9'], 'b.tif': ['uint16 scaled: 0..8']})
        ['uint16 scaled: 0..9 (a.tif, and 1 more image alike)']
    """
    alike: dict[str, list[tuple[str, str]]] = {}
    for name, lines in notes.items():
        for line in lines:
            alike.setdefault(_NUMBER.sub('0', line), []).append((line, name))
    return [
        f'{line} ({name}' + f', and {n} more image{"s" * (n > 1)} alike' * (n > 0) + ')'
        for (line, name), n in ((each[0], len(each) - 1) for each in alike.values())
    ]
