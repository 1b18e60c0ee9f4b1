"""Boxes of a GeoTIFF that are in its pixels, as a layer in degrees: ``IMAGE.tif LAYER.gpkg``.

They are those of ``IMAGE.csv`` beside it, with columns xmin, ymin, xmax, ymax and label, as the
package deepforest has them (docs/geo.md).
"""

import csv
import sys
from pathlib import Path

import numpy as np
import shapely
from rasterio.crs import CRS

from samrs_mm.core.place import place_of, reproject
from samrs_mm.formats.vector.geopackage import Table, write_tables

_DEGREES = CRS.from_epsg(4326)


def boxes_on_map(image: Path) -> Table:
    """Return the layer, with a column ``label``."""
    place = place_of(image)
    with open(image.with_suffix('.csv'), newline='') as file:
        rows = list(csv.DictReader(file))
    sides = [[float(row[side]) for row in rows] for side in ('xmin', 'ymin', 'xmax', 'ymax')]

    def to_degrees(xy: np.ndarray) -> np.ndarray:
        return reproject(place.to_map(xy), place.crs, _DEGREES)

    shapes = [shapely.transform(box, to_degrees) for box in shapely.box(*sides)]
    labels = np.array([row['label'] for row in rows], object)
    return Table('trees', shapes, dict(label=labels), _DEGREES, 'Polygon')


if __name__ == '__main__':
    write_tables(Path(sys.argv[2]), [boxes_on_map(Path(sys.argv[1]))])
