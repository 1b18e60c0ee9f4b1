"""Small scenes on the map, and layers of boxes over them."""

from pathlib import Path

import numpy as np
import pyogrio
import rasterio
import shapely
from rasterio.crs import CRS
from rasterio.transform import Affine

from samrs_mm.core.place import reproject

UTM, LONLAT = 'EPSG:32632', 'EPSG:4326'
SIZE = (300, 200)
"""Width and height of a scene in pixels."""


def affine(degrees: float = 0, scale: float = 0.5, x: float = 691000, y: float = 5334000) -> Affine:
    """Return pixels to metres in UTM, y down, turned."""
    return Affine.translation(x, y) * Affine.rotation(degrees) * Affine.scale(scale, -scale)


def write_scene(path: Path, transform: Affine | None = None, crs: str | None = UTM, empty: int = 0,
                size: tuple[int, int] = SIZE, **profile) -> Path:  # fmt: skip
    """Write a GeoTIFF of noise; its first ``empty`` columns have no data."""
    width, height = size
    pixels = np.random.default_rng(0).integers(1, 255, (3, height, width), np.uint8)
    pixels[:, :, :empty] = 0
    if empty:
        profile['nodata'] = 0
    with rasterio.open(
        path, 'w', 'GTiff', width=width, height=height, count=3, dtype='uint8', crs=crs,
        transform=transform or affine(), photometric='RGB', **profile,
    ) as file:  # fmt: skip
        file.write(pixels)
    return path


def on_map(pixels, transform: Affine | None = None, crs: str = LONLAT) -> np.ndarray:
    """Return pixels ``(N, 2)`` of a scene in UTM as coordinates of a CRS, x first."""
    x, y = (transform or affine()) * tuple(np.array(pixels, float).T)
    return reproject(np.stack([x, y], 1), CRS.from_string(UTM), CRS.from_string(crs))


def box(x0, y0, x1, y1):
    """Return the four corners of a box in pixels."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _geometry(shape):
    return shape if isinstance(shape, shapely.Geometry) else shapely.Polygon(shape)


def write_layer(path: Path, shapes, classes=None, crs: str | None = LONLAT, name: str = 'boxes',
                driver: str = 'GPKG', append: bool = False, **columns) -> Path:  # fmt: skip
    """Write geometries (shapely, corners in coordinates of the CRS, or None) as a layer."""
    made = [None if shape is None else _geometry(shape) for shape in shapes]
    wkb = np.empty(len(shapes), object)
    wkb[:] = [None if shape is None else shapely.to_wkb(shape) for shape in made]
    if classes is not None:
        columns = {'class': np.array(classes, object), **columns}
    pyogrio.raw.write(
        path, wkb, [np.asarray(values) for values in columns.values()], list(columns),
        geometry_type='Unknown', crs=crs, driver=driver, layer=name, append=append,
    )  # fmt: skip
    return path


def read_layer(path: Path, layer: str):
    """Return the metadata, the geometries and the columns by name of a layer."""
    meta, _, shapes, columns = pyogrio.raw.read(path, layer=layer)
    return meta, shapely.from_wkb(shapes), dict(zip(meta['fields'], columns, strict=True))
