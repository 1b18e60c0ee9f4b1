"""Files beside a picture that belong to it: what of them decides its pixels, or its place."""

import hashlib
import os
import re
from pathlib import Path

MASK, ABOUT = '.msk', '.aux.xml'
"""What GDAL adds to a picture's whole name: pixels without data; nodata, colours, place."""

OF_SQLITE = ('-journal', '-wal', '-shm')
"""What SQLite adds to the whole name of a GeoPackage that is open somewhere."""

NOTHING = hashlib.sha256(b'').hexdigest()
"""Digest of a file that decides nothing."""

_STATISTICS = re.compile(
    rb'<\?.*?\?>|<MDI key="STATISTICS_[^>]*>[^<]*</MDI>|<Histograms>.*?</Histograms>', re.DOTALL
)
_PLACE = re.compile(
    rb'<MDI key="AREA_OR_POINT"[^>]*>[^<]*</MDI>|<(SRS|GeoTransform|GCPList)\b[^>]*>.*?</\1>',
    re.DOTALL,
)
_EMPTY = re.compile(rb'<(\w+)[^>/]*>\s*</\1>|<\w[^>]*/>')


def left_by_viewers(name: str) -> bool:
    """Whether a file of this name is what QGIS leaves beside an output that it opened."""
    return name.endswith((ABOUT, *(f'.gpkg{suffix}' for suffix in OF_SQLITE)))


def side_files(picture: str | os.PathLike, place: bool = False) -> list[Path]:
    """Return the files beside a picture that say where it has no data and what its bands are.

    With ``place`` also those that say where on the map it lies.
    """
    name = os.fspath(picture)
    found = [Path(name + suffix) for suffix in (MASK, ABOUT)]
    if place:
        stem, suffix = os.path.splitext(name)
        ends = [f'{suffix}w', f'{suffix[:2]}{suffix[-1:]}w', '.wld']
        found += [Path(stem + end) for end in dict.fromkeys([*ends, *map(str.upper, ends)])]
    return [path for path in found if path.exists()]


def side_sha256(path: Path, place: bool = False) -> str:
    """Return the SHA-256, as hex, of what counts in a file beside a picture.

    Where nothing does, it is ``NOTHING``. Statistics, which viewers write when they open a picture,
    do not count, and its place on the map only with ``place``.

    Raises:
        OSError: It can't be read.
    """
    data = path.read_bytes()
    if path.name.endswith(ABOUT):
        data = _STATISTICS.sub(b'', data)
        data = data if place else _PLACE.sub(b'', data)
        while (less := _EMPTY.sub(b'', data)) != data:
            data = less
        data = b''.join(data.split())
    return hashlib.sha256(data).hexdigest()
