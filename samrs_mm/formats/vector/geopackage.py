"""GeoPackages that are whole or not there, with equal bytes for equal content."""

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import shapely
from rasterio.crs import CRS

from samrs_mm.core.atomic import temporary
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.side_files import OF_SQLITE
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
        columns: By name, ``(N,)`` each; of masked arrays what is masked has no value.
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


def write_tables(path: Path, tables: Iterable[Table]) -> None:
    """Write a GeoPackage of some layers, whole or not at all.

    Raises:
        SamrsError: It can't be written.
        RefusedError: pyogrio is not installed.
    """
    file = TableWriter(path)
    try:
        for table in tables:
            file.add(table)
        file.finish()
        file.publish()
    finally:
        file.discard()


class TableWriter:
    """A GeoPackage that is written table by table, and appears when it is published.

    Raises:
        RefusedError: pyogrio is not installed.
    """

    def __init__(self, path: Path):
        self.path, self._pyogrio, self._part = path, ogr(), temporary(path)
        self._layers: dict[str, Table] = {}
        self.discard()

    def add(self, table: Table) -> None:
        """Write a layer, or more features of one that is there.

        Raises:
            SamrsError: It can't be written.
        """
        shapes = np.empty(len(table.geometries), object)
        shapes[:] = [None if g is None else shapely.to_wkb(g) for g in table.geometries]
        columns = list(table.columns.values())
        options = {} if self._layers else dict(dataset_options=dict(VERSION=_VERSION))
        if table.name not in self._layers:
            options['layer_options'] = dict(GEOMETRY_NAME=_GEOMETRY)
        with self._writing():
            self._pyogrio.raw.write(
                self._part, shapes, list(map(_plain, columns)), list(table.columns),
                field_mask=list(map(_lacking, columns)), geometry_type=table.kind,
                crs=_named(table.crs), driver='GPKG', layer=table.name,
                append=bool(self._layers), **options,
            )  # fmt: skip
        self._layers.setdefault(table.name, replace(table, geometries=(), columns={}))

    def finish(self) -> None:
        """Write the styles; all is on the disk then.

        Raises:
            SamrsError: It can't be written.
        """
        with self._writing():
            if styled := [table for table in self._layers.values() if table.style]:
                _write_styles(self._pyogrio, self._part, styled)
            with open(self._part, 'rb+') as file:
                os.fsync(file.fileno())

    def publish(self) -> None:
        """Give the file its name.

        What a program that has the old file open keeps beside it is removed: SQLite would read it
        into the new one.
        """
        for suffix in OF_SQLITE:
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        os.replace(self._part, self.path)

    def discard(self) -> None:
        """Remove what has no name."""
        for suffix in ('', *OF_SQLITE):
            self._part.with_name(self._part.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Name the file in errors, without a warning of its suffix or of a layer without CRS."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                yield
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: all of pyogrio's
            raise SamrsError(
                f'{self.path}: could not be written ({" ".join(str(error).split())}); is the disk '
                'full?'
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


def _lacking(values: np.ndarray) -> np.ndarray | None:
    """Return which entries of a column have no value, ``(N,)`` bool; None where none is masked."""
    return np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None


def _plain(values: np.ndarray) -> np.ndarray:
    """Return a column of a type that a GeoPackage has; lists and the like become text."""
    if values.dtype.kind in 'biufM':
        return np.ma.getdata(values)
    found = np.empty(len(values), object)
    kept = (str, bytes, type(None))
    found[:] = [v if isinstance(v, kept) else str(v) for v in values.tolist()]
    return found
