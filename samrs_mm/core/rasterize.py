"""Polygon to mask, by COCO's rule."""

import numpy as np

from samrs_mm.core import rle

_MARGIN = 1024


def fill_polygon(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the pixels of a polygon, as pycocotools rasterises it.

    Args:
        polygon: Corners ``(K, 2)`` of x, y in pixels, K >= 3; may reach beyond the image.
        height: Image height in pixels.
        width: Image width in pixels.

    Returns:
        ``(height, width)`` bool, Fortran order.
    """
    return rle.decode(polygon_rle(polygon, height, width))


def polygon_rle(polygon: np.ndarray, height: int, width: int) -> dict:
    """Return the pixels of a polygon as a run-length mask; arguments as ``fill_polygon``."""
    polygon = np.asarray(polygon, np.float64)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    if (low < -_MARGIN).any() or (high > [width + _MARGIN, height + _MARGIN]).any():
        polygon = _clip_far(polygon, height, width)
    if len(polygon) < 3:
        return rle.encode(np.zeros((height, width), bool, order='F'))
    return rle.from_polygon(polygon, height, width)


def _clip_far(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut off what lies far outside: COCO's rasteriser walks every edge pixel by pixel.

    Half-plane by half-plane (Sutherland and Hodgman), so that a polygon that crosses itself stays
    one polygon; what joins its parts runs outside the image.
    """
    for axis, bound, sign in (
        (0, -_MARGIN, 1), (1, -_MARGIN, 1), (0, width + _MARGIN, -1), (1, height + _MARGIN, -1)
    ):  # fmt: skip
        depth = (polygon[:, axis] - bound) * sign
        points = []
        for i in range(len(polygon)):
            if (depth[i - 1] < 0) != (depth[i] < 0):
                share = depth[i - 1] / (depth[i - 1] - depth[i])
                points.append(polygon[i - 1] + share * (polygon[i] - polygon[i - 1]))
            if depth[i] >= 0:
                points.append(polygon[i])
        polygon = np.array(points).reshape(-1, 2)
    return polygon
