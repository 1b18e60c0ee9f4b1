"""Raster files opened by GDAL, by drivers that are named here and nowhere else.

GDAL goes by what is in a file, not by its name: left to itself it takes a text called ``x.tif`` for
a virtual raster and reads any other file or address that stands in it.
"""

import contextlib
import os
import threading
import warnings
from collections.abc import Iterator

import rasterio
from PIL import Image
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioIOError

from samrs_mm.core.side_files import MASK, side_files

_DRIVERS = (
    (b'II*\0', 'GTiff'),
    (b'MM\0*', 'GTiff'),
    (b'II+\0', 'GTiff'),
    (b'MM\0+', 'GTiff'),
    (b'\x89PNG\r\n\x1a\n', 'PNG'),
    (b'\xff\xd8\xff', 'JPEG'),
    (b'\0\0\0\x0cjP  \r\n', 'JP2OpenJPEG'),
    (b'\xff\x4f\xff\x51', 'JP2OpenJPEG'),
    (b'BM', 'BMP'),
    (b'GIF8', 'GIF'),
    (b'P5', 'PNM'),
    (b'P6', 'PNM'),
)
_RIFF, _WEBP = slice(0, 4), slice(8, 12)
KINDS = 'TIFF, PNG, JPEG, JPEG 2000, BMP, GIF, WebP or PNM'
"""What ``driver_of`` knows."""

_GDAL_CACHE_MB = 256
_GDAL_OPTIONS = dict(
    GDAL_ERROR_ON_LIBJPEG_WARNING='YES',
    GDAL_PNG_WHOLE_IMAGE_OPTIM='NO',  # its quick way reads truncated PNGs without a word
    GDAL_CACHEMAX=_GDAL_CACHE_MB,  # it would otherwise take a part of all memory there is
    GDAL_DISABLE_READDIR_ON_OPEN='TRUE',  # side files are looked for by name, not in a listing
)


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


relaxed = _Relaxed()


@contextlib.contextmanager
def gdal(**options: str) -> Iterator[None]:
    """Use GDAL inside, within its share of memory; ``options`` are further ones of GDAL.

    Raises:
        RasterioIOError: What GDAL met, also where rasterio passes on an error of another kind.
    """
    with rasterio.Env(**(_GDAL_OPTIONS | options)):
        try:
            yield
        except CPLE_BaseError as error:
            raise RasterioIOError(str(error)) from error


def driver_of(path: str | os.PathLike) -> str | None:
    """Return GDAL's driver for a file by its first bytes; None where it is no picture known here.

    Raises:
        OSError: It can't be read.
    """
    return _driver_by(_head(path))


def known_driver_of(path: str | os.PathLike) -> str:
    """Return GDAL's driver for a picture.

    Raises:
        ValueError: It is none of a kind that is known here.
        OSError: It can't be read.
    """
    head = _head(path)
    if driver := _driver_by(head):
        return driver
    text = head.decode('ascii', 'replace').partition('\n')[0].strip()
    begins = f'; it begins with {text!r}' if text.isprintable() and '\ufffd' not in text else ''
    raise ValueError(f'it is no {KINDS}{begins}')


def _head(path: str | os.PathLike) -> bytes:
    with open(path, 'rb') as file:
        return file.read(32)


def _driver_by(head: bytes) -> str | None:
    if head[_RIFF] == b'RIFF' and head[_WEBP] == b'WEBP':
        return 'WEBP'
    return next((driver for magic, driver in _DRIVERS if head.startswith(magic)), None)


def open_raster(path: str | os.PathLike) -> rasterio.DatasetReader:
    """Open a picture by the driver of its kind; to be called inside ``gdal``, and read there.

    Of the files beside it GDAL opens a mask, ``PATH.msk``, by whatever driver fits, so that has to
    be a TIFF. Overviews beside it are not opened, since none is asked for.

    Raises:
        ValueError: Not a picture of a kind that is known here, or its mask isn't a TIFF.
        OSError: It can't be read (also as a RasterioError).
    """
    place = os.path.abspath(path)  # not taken for the name of a driver or an address, as a text is
    if place.startswith('/vsi'):
        raise ValueError("the name is one of GDAL's virtual file systems; give a file")
    driver = known_driver_of(place)
    mask = place + MASK
    if os.path.exists(mask) and driver_of(mask) != 'GTiff':
        raise ValueError(f'the mask beside it, {os.path.basename(mask)}, is no TIFF; remove it')
    return rasterio.open(place, driver=driver)


def has_side_files(path: str | os.PathLike) -> bool:
    """Whether a file stands beside a picture that may say where it has no data."""
    return bool(side_files(path))
