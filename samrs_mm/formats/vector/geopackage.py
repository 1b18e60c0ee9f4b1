"""GeoPackages that are whole or not there, with equal bytes for equal content."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import shapely
from rasterio.crs import CRS

from samrs_mm.core.atomic import temporary
from samrs_mm.core.errors import SamrsError
from samrs_mm.formats.vector.ogr import ogr

_GEOMETRY = 'geom'
_RESERVED = ('fid', _GEOMETRY)
STYLES = 'layer_styles'
"""The table in which QGIS looks for the style of a layer."""
_VERSION = '1.2'
"""Of the format: readers of 2022 warn of a newer one."""
_WRITTEN = '1970-01-01'


@dataclass(frozen=True)
class Table:
    """A layer to write.

    Args:
        name: Of the layer.
        geometries: Of its features ``(N,)``, shapely; None for one that has none.
        columns: By name, ``(N,)`` each.
        crs: Of the geometries.
        kind: Type of geometry.
        style: How QGIS draws the layer by itself (QML); empty: as it likes.
    """

    name: str
    geometries: Sequence[shapely.Geometry | None]
    columns: dict[str, np.ndarray]
    crs: CRS | None
    kind: str = 'Unknown'
    style: bytes = b''


def write_tables(path: Path, tables: Sequence[Table]) -> None:
    """Write a GeoPackage of some layers, whole or not at all.

    Raises:
        SamrsError: It can't be written.
        RefusedError: pyogrio is not installed.
    """
    pyogrio, part = ogr(), temporary(path)
    for left in (part, part.with_name(f'{part.name}-journal')):
        left.unlink(missing_ok=True)
    try:
        for number, table in enumerate(tables):
            shapes = np.empty(len(table.geometries), object)
            shapes[:] = [None if g is None else shapely.to_wkb(g) for g in table.geometries]
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of the suffix, and of a layer without CRS
                pyogrio.raw.write(
                    part, shapes, list(map(_plain, table.columns.values())), list(table.columns),
                    geometry_type=table.kind, crs=_named(table.crs), driver='GPKG',
                    layer=table.name, append=number > 0,
                    layer_options=dict(GEOMETRY_NAME=_GEOMETRY),
                    dataset_options=None if number else dict(VERSION=_VERSION),
                )  # fmt: skip
        if styled := [table for table in tables if table.style]:
            _write_styles(pyogrio, part, styled)
        with open(part, 'rb+') as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: all of pyogrio's
        part.unlink(missing_ok=True)
        raise SamrsError(
            f'{path}: could not be written ({" ".join(str(error).split())}); is the disk full?'
        ) from error


def _write_styles(pyogrio: ModuleType, path: Path, tables: Sequence[Table]) -> None:
    """Add the styles of layers as QGIS keeps them, which it prefers to a file beside."""
    columns = dict(
        f_table_catalog='', f_table_schema='', f_table_name=[table.name for table in tables],
        f_geometry_column=_GEOMETRY, styleName=[table.name for table in tables],
        styleQML=[table.style.decode() for table in tables], styleSLD='', useAsDefault=True,
        description='', owner='', ui='', update_time=np.datetime64(_WRITTEN, 'ms'),
    )  # fmt: skip
    values = [
        np.full(len(tables), each, None if isinstance(each, (bool, np.datetime64)) else object)
        for each in columns.values()
    ]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of the suffix
        pyogrio.raw.write(
            path, None, values, list(columns), geometry_type=None, driver='GPKG', layer=STYLES,
            append=True, layer_options=dict(FID='id'),
        )  # fmt: skip


def beside(ours: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return columns of ours and of another table's; one of a taken name becomes ``input_NAME``."""
    taken = {name.lower() for name in (*ours, *_RESERVED)}
    found = dict(ours)
    for name, values in others.items():
        new = name
        while new.lower() in taken:
            new = f'input_{new}'
        taken.add(new.lower())
        found[new] = values
    return found


def _named(crs: CRS | None) -> str | None:
    """Return a CRS as text that any version of PROJ reads."""
    if crs is None:
        return None
    authority = crs.to_authority()
    return ':'.join(authority) if authority else crs.to_wkt()


def _plain(values: np.ndarray) -> np.ndarray:
    """Return a column of a type that a GeoPackage has; lists and the like become text."""
    if values.dtype.kind in 'biufM':
        return values
    found = np.empty(len(values), object)
    kept = (str, bytes, type(None))
    found[:] = [v if isinstance(v, kept) else str(v) for v in values.tolist()]
    return found
