"""Features of a vector file as what can be prompted with: boxes, polygons and points on the map."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import shapely
from rasterio.crs import CRS
from rasterio.errors import CRSError

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.vector.ogr import CSV, kind_of, ogr

_CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
_TABLES = {
    _CORNERS: None, ('x', 'y'): None, ('lon', 'lat'): 'EPSG:4326',
    ('longitude', 'latitude'): 'EPSG:4326',
}  # fmt: skip
"""Columns that are boxes or points, in lower case, and the CRS that their names say."""


@dataclass(frozen=True)
class Layer:
    """The features of a layer.

    Args:
        path: The file.
        name: Of the layer.
        crs: Of the coordinates; None where the file names none.
        fids: Ids of the features ``(N,)`` int64.
        geometries: Of the features ``(N,)``, shapely; None for one that has none.
        fields: The other columns by name, ``(N,)`` each.
        problems: What is wrong with a feature, by its row.
    """

    path: Path
    name: str
    crs: CRS | None
    fids: np.ndarray
    geometries: np.ndarray
    fields: dict[str, np.ndarray]
    problems: dict[int, str]

    def __len__(self) -> int:
        return len(self.fids)

    @property
    def source(self) -> str:
        """``FILE:LAYER``, without the folder."""
        return f'{self.path.name}:{self.name}'

    def box_id(self, row: int) -> str:
        """Return the id of a feature, ``FILE:LAYER:FID``."""
        return f'{self.source}:{self.fids[row]}'

    def of(self, rows: np.ndarray) -> 'Layer':
        """Return the layer of some rows, ascending."""
        fields = {name: values[rows] for name, values in self.fields.items()}
        new = {int(row): place for place, row in enumerate(rows)}
        problems = {new[row]: why for row, why in self.problems.items() if row in new}
        return replace(
            self, fids=self.fids[rows], geometries=self.geometries[rows], fields=fields,
            problems=problems,
        )  # fmt: skip


def split_name(given: str) -> tuple[Path, str | None]:
    """Return file and layer of ``FILE`` or ``FILE:LAYER``."""
    path, _, layer = given.rpartition(':')
    if not path or Path(given).exists() or not Path(path).is_file():
        return Path(given), None
    return Path(path), layer


@dataclass(frozen=True)
class LayerFile:
    """A layer that is not read yet.

    Args:
        path: The file.
        kind: Of the file, see ``kind_of``.
        name: Of the layer.
        crs: See ``Layer``.
    """

    path: Path
    kind: str
    name: str
    crs: CRS | None

    def __len__(self) -> int:
        """Return the number of features."""
        with _reading(self.path) as pyogrio:
            info = pyogrio.read_info(self.path, layer=self.name, force_feature_count=True)
        return int(info['features'])

    def bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return ids of the features ``(N,)`` and their least and greatest x and y ``(N, 4)``.

        They are NaN for one without geometry. None where a file has to be read whole anyway.

        Raises:
            RefusedError: It can't be read.
        """
        if self.kind == CSV:
            return None
        with _reading(self.path) as pyogrio:
            fids, bounds = pyogrio.read_bounds(self.path, layer=self.name)
        return fids, np.transpose(bounds)

    def read(self, fids: np.ndarray | None = None) -> Layer:
        """Read the layer, or the features ``fids`` of it.

        Raises:
            RefusedError: It can't be read.
        """
        none = fids is not None and not len(fids)
        only: dict[str, Any] = dict(max_features=1) if none else dict(fids=fids)
        with _reading(self.path) as pyogrio:
            meta, found, shapes, columns = pyogrio.raw.read(
                self.path, layer=self.name, return_fids=True, **only
            )
        fields = dict(zip(map(str, meta['fields']), columns, strict=True))
        problems: dict[int, str] = {}
        if shapes is None or (self.kind == CSV and all(shape is None for shape in shapes)):
            geometries = _of_columns(self.path, fields, problems)
        else:
            geometries = shapely.from_wkb(shapes, on_invalid='ignore')
        layer = Layer(
            self.path, self.name, self.crs, np.asarray(found), geometries, fields, problems
        )
        return layer.of(np.empty(0, int)) if none else layer


@contextmanager
def _reading(path: Path) -> Iterator[ModuleType]:
    """Give pyogrio, whose errors are refusals of a file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield ogr()
    except (IndexError, ValueError, RuntimeError) as error:  # RuntimeError: all of pyogrio's
        text = ' '.join(str(error).split()) or 'it has no layer'
        raise RefusedError(f'boxes {path}: cannot read it: {text}') from error


def open_layer(path: Path, layer: str | None = None, crs: str | None = None) -> LayerFile:
    """Return a layer to read, of coordinates x (east, longitude) and y.

    Args:
        path: GeoPackage, GeoJSON, shapefile, FlatGeobuf or CSV. A CSV has geometries in a column
            ``WKT``, or columns ``xmin``, ``ymin``, ``xmax``, ``ymax``, or ``x``, ``y``, or
            ``lon``, ``lat``, which are in EPSG:4326 where nothing else is said.
        layer: Which one, where there are several.
        crs: Of the coordinates, where the file names none, or a wrong one: ``EPSG:32632``.

    Raises:
        RefusedError: It can't be read, has no features, or several layers.
    """
    kind = kind_of(path)
    with _reading(path) as pyogrio:
        layers = [(str(name), kind) for name, kind in pyogrio.list_layers(path)]
        # tables without geometries, such as the styles of QGIS, are no choice beside layers
        names = [name for name, kind in layers if kind] or [name for name, _ in layers]
        if (layer is None and len(names) > 1) or (layer is not None and layer not in names):
            raise RefusedError(
                f'boxes {path}: {"no layer " + repr(layer) + "; " if layer else ""}it has '
                f'{", ".join(names)}; name one: --boxes {path}:LAYER'
            )
        layer = layer or names[0]
        info = pyogrio.read_info(path, layer=layer, force_feature_count=True)
    if not info['features']:
        raise RefusedError(f'boxes {path}: the layer {layer} holds no features')
    by_columns = None if info['geometry_type'] else _table_of(info['fields'])[1]
    return LayerFile(path, kind, layer, _crs(path, crs or info['crs'] or by_columns))


def read_layer(path: Path, layer: str | None = None, crs: str | None = None) -> Layer:
    """Read a layer whole; see ``open_layer``."""
    return open_layer(path, layer, crs).read()


def _crs(path: Path, named: Any) -> CRS | None:
    try:
        return CRS.from_user_input(named) if named else None
    except CRSError as error:
        raise RefusedError(
            f'boxes {path}: {str(named)[:60]!r} is no CRS that is known here; give one with '
            '--cfg-options dataset.crs=EPSG:4326'
        ) from error


def _table_of(fields: Iterable[str]) -> tuple[tuple[str, ...], str | None]:
    """Return the names of the columns that are boxes or points, and their CRS; or none."""
    lower = {str(name).lower(): str(name) for name in fields}
    for names, crs in _TABLES.items():
        if all(name in lower for name in names):
            return tuple(lower[name] for name in names), crs
    return (), None


def _of_columns(path: Path, fields: dict[str, np.ndarray], problems: dict[int, str]) -> np.ndarray:
    """Return the geometries ``(N,)`` of a table without any; what is no number becomes NaN."""
    names, _ = _table_of(fields)
    if not names:
        raise RefusedError(
            f'boxes {path}: no geometries, and no columns {", ".join(_CORNERS)} (or x, y, or lon, '
            f'lat, or WKT); it has {", ".join(fields) or "none"}'
        )
    values = np.full((len(names), len(fields[names[0]])), np.nan)
    for position, name in enumerate(names):
        for row, text in enumerate(fields[name].tolist()):
            try:
                values[position, row] = float(text)
            except (TypeError, ValueError):
                problems.setdefault(row, f'{name} is {text!r}, not a number')
    shapes = np.array(shapely.box(*values) if len(names) == 4 else shapely.points(*values))
    shapes[list(problems)] = None
    return shapes


def outline_of(geometry: Any) -> tuple[np.ndarray, bool, str]:
    """Return what of a geometry a prompt is made of.

    Returns:
        Coordinates ``(K, 2)``: the corners of a polygon of four, all points of any other; whether
        they are the four corners of a box; and why there are none, or ''.
    """
    none = np.empty((0, 2))
    if geometry is None or geometry.is_empty:
        return none, False, 'the feature has no geometry'
    kind = geometry.geom_type
    if kind in ('MultiPolygon', 'MultiPoint') and len(geometry.geoms) == 1:
        geometry = geometry.geoms[0]
    if kind not in ('Polygon', 'MultiPolygon', 'Point', 'MultiPoint'):
        return none, False, f'a {kind}; polygons, boxes and points can be prompted with'
    if geometry.geom_type == 'MultiPoint':
        return none, False, f'a MultiPoint of {len(geometry.geoms)}; one point is one object'
    points = shapely.get_coordinates(geometry)
    if not np.isfinite(points).all():
        return none, False, 'a coordinate is not a number'
    if geometry.geom_type != 'Polygon':
        return points, False, ''
    ring = shapely.get_coordinates(geometry.exterior)[:-1]
    ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)]
    is_box = len(ring) == 4 and not len(geometry.interiors)
    return ring, is_box, '' if len(ring) else 'a polygon without extent'
