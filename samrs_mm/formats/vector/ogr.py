"""pyogrio, imported where it is used, for files of kinds that are named here and nowhere else.

GDAL goes by what is in a file, not by its name: left to itself it takes a text called ``x.geojson``
for a virtual layer and reads any other file or address that stands in it.
"""

import os
from pathlib import Path
from types import ModuleType

from samrs_mm.core.errors import RefusedError

_MAGIC = (
    (b'SQLite format 3\0', 'GeoPackage'),
    (b'fgb', 'FlatGeobuf'),
    (b'\0\0\x27\x0a', 'shapefile'),
    (b'{', 'GeoJSON'),
)
KINDS = 'GeoPackage, GeoJSON, shapefile (.shp), FlatGeobuf or CSV'
CSV = 'CSV'
_CLOCK = '1970-01-01T00:00:00.000Z'


def ogr() -> ModuleType:
    """Return pyogrio, set so that equal content gives equal bytes.

    Raises:
        RefusedError: It is not installed.
    """
    try:
        import pyogrio
    except ImportError as error:
        raise RefusedError(
            f'layers of a map need pyogrio ({error}); install it: pip install pyogrio'
        ) from error
    pyogrio.set_gdal_config_options({'OGR_CURRENT_DATE': _CLOCK})
    return pyogrio


def kind_of(path: Path) -> str:
    """Return the kind of a vector file by its first bytes, CSV by its name.

    Raises:
        RefusedError: There is no such file, or it is of no kind that is read here.
    """
    if os.path.abspath(path).startswith('/vsi'):
        raise RefusedError(f"boxes {path}: one of GDAL's virtual file systems; give a file")
    try:
        with open(path, 'rb') as file:
            head = file.read(256).lstrip(b'\xef\xbb\xbf \t\r\n') if path.is_file() else b''
    except FileNotFoundError:
        raise RefusedError(f'boxes {path}: no such file') from None
    except OSError as error:
        raise RefusedError(f'boxes {path}: cannot read it: {error.strerror}') from error
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if path.suffix.lower() == '.csv' and not head.startswith(b'<'):
        return CSV
    empty = ' (it is empty)' if path.is_file() and not head else ''
    raise RefusedError(f'boxes {path}: no {KINDS}{empty}')
