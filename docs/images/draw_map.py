"""The picture of docs/geo.md: a GeoTIFF with its boxes, and with the polygons made of them.

docs/geo.md says how they are made; then
``python docs/images/draw_map.py IMAGE.tif OUT/masks.gpkg docs/images/map.jpg`` draws it.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import rasterio
import shapely

from samrs_mm.core.place import place_of, reproject
from samrs_mm.drawing.layout import grid
from samrs_mm.formats.vector.layer import read_layer

_SCALE = 1.25
_BOX, _MASK = (255, 214, 0), (86, 180, 233)


def map_figure(image: Path, masks: Path) -> np.ndarray:
    """Return the boxes and the polygons side by side over the scene, ``(H, W, 3)`` uint8 RGB."""
    place, panels = place_of(image), []
    with rasterio.open(image) as file:
        scene = np.ascontiguousarray(file.read((1, 2, 3)).transpose(1, 2, 0))
    for name, colour in (('boxes', _BOX), ('masks', _MASK)):
        layer = read_layer(masks, name)
        panel = cv2.resize(scene, None, fx=_SCALE, fy=_SCALE)
        for polygon in shapely.get_parts(layer.geometries):
            for ring in shapely.get_rings(polygon):
                xy = reproject(shapely.get_coordinates(ring), layer.crs, place.crs)
                points = np.rint(place.to_pixels(xy) * _SCALE).astype(np.int32)
                cv2.polylines(panel, [points], True, colour, 1, cv2.LINE_AA)
        panels.append(panel)
    return grid(panels, 2, margin=0)


def main(image: str, masks: str, target: str) -> None:
    """Write the figure as a JPEG."""
    figure = cv2.cvtColor(map_figure(Path(image), Path(masks)), cv2.COLOR_RGB2BGR)
    cv2.imwrite(target, figure, [cv2.IMWRITE_JPEG_QUALITY, 70])


if __name__ == '__main__':
    main(*sys.argv[1:])
