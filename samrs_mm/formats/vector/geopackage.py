"""GeoPackages that are whole or not there, with equal bytes for equal content."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from rasterio.crs import CRS

from samrs_mm.core.atomic import temporary
from samrs_mm.core.errors import SamrsError
from samrs_mm.formats.vector.ogr import ogr

_RESERVED = ('fid', 'geom')
_VERSION = '1.2'
"""Of the format: readers of 2022 warn of a newer one."""


@dataclass(frozen=True)
class Table:
    """A layer to write: geometries ``(N,)`` of shapely (or None) and columns ``(N,)`` by name."""

    name: str
    geometries: Sequence[shapely.Geometry | None]
    columns: dict[str, np.ndarray]
    crs: CRS | None
    kind: str = 'Unknown'


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
                    dataset_options=None if number else dict(VERSION=_VERSION),
                )  # fmt: skip
        with open(part, 'rb+') as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: all of pyogrio's
        part.unlink(missing_ok=True)
        raise SamrsError(
            f'{path}: could not be written ({" ".join(str(error).split())}); is the disk full?'
        ) from error


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
