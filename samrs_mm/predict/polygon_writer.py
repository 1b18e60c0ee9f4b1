"""Write the classes of a predicted scene as polygons on the map, strip by strip."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely

from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.place import Place, place_of
from samrs_mm.core.wording import counted, plural
from samrs_mm.drawing.colours import class_colour
from samrs_mm.drawing.qgis import polygon_style
from samrs_mm.formats.vector.geopackage import Table, TableWriter
from samrs_mm.formats.vector.label_polygons import Found, LabelPolygons
from samrs_mm.formats.vector.ogr import ogr

LAYER = 'classes'
_AT_ONCE = 10_000


class PolygonWriter:
    """A GeoPackage with a polygon for each region of one class; it appears when it is whole.

    ``names`` are the classes in the order of their values.
    """

    def __init__(self, path: Path, place: Place, names: Sequence[str]):
        self._place, self._names = place, list(names)
        self._polygons, self._waiting = LabelPolygons(), list[Found]()
        self._file = TableWriter(path)
        colours = [class_colour(index) for index in range(len(names))]
        self._style = polygon_style(self._names, colours, 'category')

    def push(self, labels: np.ndarray) -> None:
        """Add rows of labels ``(rows, W)`` uint8 below those that are there."""
        self._waiting += self._polygons.push(labels)
        while len(self._waiting) >= _AT_ONCE:
            self._write(self._waiting[:_AT_ONCE])
            del self._waiting[:_AT_ONCE]

    def finish(self) -> None:
        """Write what is left, and check that all of it is on the disk."""
        self._waiting += self._polygons.finish()
        self._write(self._waiting)
        self._file.finish()

    def publish(self) -> None:
        """Give the file its name."""
        self._file.publish()

    def discard(self) -> None:
        """Remove what has no name yet."""
        self._file.discard()

    def _write(self, found: Sequence[Found]) -> None:
        values = np.array([value for value, _ in found], np.int32)
        pixels = np.array([round(polygon.area) for _, polygon in found], np.int64)
        side = self._place.pixel_area
        columns = dict(
            value=values,
            category=np.array([self._names[value] for value in values.tolist()], object),
            pixels=pixels,
            area_m2=pixels * (np.nan if side is None else side),
        )
        shapes = [shapely.transform(polygon, self._place.to_map) for _, polygon in found]
        table = Table(LAYER, shapes, columns, self._place.crs, 'Polygon', self._style)
        self._file.add(table)


def refuse_unplaced(paths: Sequence[Path]) -> None:
    """Refuse polygons of pictures that are not on the map; those that can't be read are met later.

    Raises:
        RefusedError: One isn't, or pyogrio is missing.
    """
    ogr()
    bare = []
    for path in paths:
        try:
            if not place_of(path):
                bare.append(path)
        except ImageReadError:
            continue
    if bare:
        raise RefusedError(
            f'--save polygons: {counted(len(bare), "image")} of {len(paths)} '
            f'{plural(len(bare), "is", "are")} not on the map, such as {bare[0]}; predict '
            f'{plural(len(bare), "it", "them")} without polygons'
        )
