"""Where a raster lies on the map: pixel corners to map coordinates and back, in any CRS."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.rpc import RPC
from rasterio.transform import Affine, GCPTransformer
from rasterio.warp import transform

from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.raster_file import gdal, open_raster, relaxed
from samrs_mm.core.side_files import side_files


@dataclass(frozen=True)
class Place:
    """The place of a raster on the map.

    Args:
        width: Of the raster, in pixels.
        height: Of the raster, in pixels.
        crs: Its CRS; None where the file names none.
        affine: From pixel corners (x right, y down) to map coordinates, rotated or sheared as it
            may be; None where there are control points.
        gcps: Ground control points, used where there is no ``affine``.
        rpcs: The model of its camera, where the file has one. It alone is no place on the map.
    """

    width: int
    height: int
    crs: CRS | None = None
    affine: Affine | None = None
    gcps: Sequence = field(default=(), compare=False)
    rpcs: RPC | None = field(default=None, compare=False)

    def __bool__(self) -> bool:
        """Whether the raster is on the map."""
        return self.affine is not None or len(self.gcps) > 0

    @property
    def pixel_area(self) -> float | None:
        """Area of a pixel in m²; None where the CRS isn't in metres, or pixels differ."""
        if self.affine is None or self.crs is None or not self.crs.is_projected:
            return None
        return abs(self.affine.determinant) * self.crs.linear_units_factor[1] ** 2

    @property
    def profile(self) -> dict[str, Any]:
        """What rasterio needs to write a raster at this place; empty where nothing is known."""
        known = dict(crs=self.crs, transform=self.affine, gcps=self.gcps, rpcs=self.rpcs)
        return {key: value for key, value in known.items() if value}

    def in_crs(self, crs: CRS | None) -> 'Place':
        """Return the place with a CRS, where the file names none."""
        return self if self.crs else replace(self, crs=crs)

    def to_map(self, xy: np.ndarray) -> np.ndarray:
        """Return map coordinates ``(N, 2)`` of pixel corners ``(N, 2)``."""
        if self.affine is not None:
            return _mapped(self.affine, xy)
        x, y = np.asarray(xy, float).T
        with GCPTransformer(self.gcps) as way:
            return np.stack(way.xy(y, x, offset='ul'), 1)

    def bounds_in(self, crs: CRS | None, margin: float = 0) -> np.ndarray:
        """Return x and y of the least and the greatest corner ``(4,)`` of its rectangle in a CRS.

        ``margin`` is in pixels, around the raster. All is NaN where there is no way to the CRS.
        """
        along = np.linspace(0, 1, _POINTS_A_SIDE)
        sides = [(along, 0 * along), (along, 0 * along + 1), (0 * along, along),
                 (0 * along + 1, along)]  # fmt: skip
        size = np.array([self.width, self.height])
        border = np.concatenate([np.stack(side, 1) for side in sides]) * (size + 2 * margin)
        border = self.to_map(border - margin)
        if crs is not None and self.crs is not None and crs != self.crs:
            border = reproject(border, self.crs, crs)
        return np.concatenate([border.min(axis=0), border.max(axis=0)])

    def to_pixels(self, xy: np.ndarray) -> np.ndarray:
        """Return pixel corners ``(N, 2)`` of map coordinates ``(N, 2)``, not rounded."""
        if self.affine is not None:
            return _mapped(~self.affine, xy)
        x, y = np.asarray(xy, float).T
        with GCPTransformer(self.gcps) as way:
            rows, columns = way.rowcol(x, y, op=lambda value: value)
        return np.stack([columns, rows], 1)


def _mapped(affine: Affine, xy: np.ndarray) -> np.ndarray:
    x, y = np.asarray(xy, float).T
    return np.stack(
        [affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f], 1
    )


_POINTS_A_SIDE = 21
"""Of the border of a raster, straight on its own map and bent on others."""

_RASTERS = ('.tif', '.tiff', '.jp2', '.j2k')
"""Suffixes of files that say themselves where they lie; others need a world file."""


def is_map_file(path: Path) -> bool:
    """Whether a picture is of a kind that lies on the map, or has a world file beside it."""
    return path.suffix.lower() in _RASTERS or bool(side_files(path, place=True))


def place_of(path: Path) -> Place:
    """Return the place of a picture, by its header; false where it isn't on the map.

    Raises:
        ImageReadError: It can't be read.
    """
    try:
        with relaxed, gdal(), open_raster(path) as file:
            size, (gcps, gcps_crs) = (file.width, file.height), file.gcps
            if not file.transform.is_identity:
                return Place(*size, file.crs, file.transform, rpcs=file.rpcs)
            return Place(*size, gcps_crs or file.crs, None, tuple(gcps), file.rpcs)
    except (OSError, ValueError, RasterioError) as error:
        text = ' '.join(str(error).split())
        raise ImageReadError(f'{path}: cannot read the image: {text}') from error


def place_on_map(path: Path, why: str) -> Place:
    """Return the place of a picture that has to be on the map; ``why`` ends the refusal.

    Raises:
        ImageReadError: It can't be read.
        RefusedError: It is not on the map.
    """
    place = place_of(path)
    if place:
        return place
    if place.rpcs:
        raise RefusedError(
            f'{path}: has only the model of its camera (RPCs), no place on the map; put it '
            f'there first: gdalwarp -rpc {path.name} ORTHO.tif'
        )
    raise RefusedError(f'{path}: not on the map (no geotransform){why}')


def reproject(xy: np.ndarray, source: CRS, target: CRS) -> np.ndarray:
    """Return coordinates ``(N, 2)`` in another CRS; NaN where there is no way to it.

    x is east (longitude) and y north, whatever axis order a CRS has. GDAL gives up on all points if
    one of them can't be transformed, so a part that fails is halved until the culprits stand alone.
    """
    found = np.full(np.shape(xy), np.nan)
    parts = [np.flatnonzero(np.isfinite(xy).all(axis=1))]
    while parts:
        rows = parts.pop()
        if not len(rows):
            continue
        try:
            with relaxed, gdal():
                found[rows] = np.transpose(transform(source, target, *xy[rows].T)[:2])
        except (OSError, RasterioError):
            if len(rows) > 1:
                parts += np.array_split(rows, 2)
    return np.where(np.isfinite(found).all(axis=1, keepdims=True), found, np.nan)


def named_crs(option: str, text: str | None) -> CRS | None:
    """Return the CRS that an option names; None for None.

    Raises:
        RefusedError: There is none of that name.
    """
    if text is None:
        return None
    try:
        with gdal():
            return CRS.from_user_input(text)
    except (RasterioError, OSError, ValueError) as error:
        raise RefusedError(
            f'{option}={text!r}: no CRS is called so; write for example --cfg-options '
            f'{option}=EPSG:32632'
        ) from error
