"""Masks as polygons along the edges of their pixels, holes kept."""

import numpy as np
import shapely
from rasterio import features


def multipolygon(pixels: np.ndarray, x: int = 0, y: int = 0) -> shapely.MultiPolygon:
    """Return the exact outline of a mask ``(h, w)`` bool whose first pixel is at ``x, y``.

    Each 4-connected part is a polygon, with its holes; the largest comes first. It is valid, and
    its area is the number of pixels. An empty mask has no part.
    """
    if not pixels.any():
        return shapely.MultiPolygon()
    pixels = np.ascontiguousarray(pixels)
    found = features.shapes(pixels.view(np.uint8), mask=pixels, connectivity=4)
    parts = [
        shapely.Polygon(rings[0], rings[1:])
        for rings in (shape['coordinates'] for shape, _ in found)
    ]
    parts.sort(key=lambda part: (-part.area, *part.bounds))
    return shapely.transform(shapely.MultiPolygon(parts), lambda xy: xy + (x, y))  # noqa: RUF005
