"""How EXIF and TIFF tags ask a picture to be turned; nobody in this package turns it."""

import contextlib
from pathlib import Path

from PIL import Image

from samrs_mm.core.raster_file import relaxed

_TAG = 274
_NOT_APPLIED = ' is not applied: pixels are as stored'
_FORMATS = ('JPEG', 'PNG', 'TIFF', 'WEBP')
_WITHOUT = ('BMP', 'GIF', 'PPM')
_SUFFIXES = ('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.webp', '.tif', '.tiff')


def orientation_of(path: Path) -> int:
    """Return the EXIF orientation of an image file, 1 to 8; 1 where it has none."""
    if path.suffix.lower() not in _SUFFIXES:
        return 1
    with (
        contextlib.suppress(OSError, SyntaxError, ValueError),
        relaxed,
        Image.open(path, formats=_FORMATS) as image,
    ):
        return orientation_in(image, path)
    return 1


def orientation_in(image: Image.Image, path: Path) -> int:
    """Return ``orientation_of`` a file that Pillow has just opened."""
    # Pillow would decode a whole PNG to look for EXIF behind the pixels
    bare = image.format in ('PNG', 'WEBP') and 'exif' not in image.info
    if bare or image.format in _WITHOUT or path.suffix.lower() not in _SUFFIXES:
        return 1
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        value = image.getexif().get(_TAG, 1)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1
    return 1


def orientation_note(path: Path) -> tuple[str, ...]:
    """Return what is to be noted of an image file's orientation, if anything."""
    orientation = orientation_of(path)
    if orientation == 1:
        return ()
    return (f'EXIF orientation {orientation}{_NOT_APPLIED}',)


def is_of_orientation(note: str) -> bool:
    """Whether a note is one of ``orientation_note``."""
    return note.endswith(_NOT_APPLIED)
