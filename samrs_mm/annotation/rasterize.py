"""Polygon to mask, by COCO's rule."""

import numpy as np
import shapely
from pycocotools import mask as coco_mask

_MARGIN = 16


def fill_polygon(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the pixels of a polygon, as pycocotools rasterises it.

    Args:
        polygon: Corners ``(K, 2)`` of x, y in pixels, K >= 3; may reach beyond the image.
        height: Image height in pixels.
        width: Image width in pixels.

    Returns:
        ``(height, width)`` bool, Fortran order.
    """
    polygon = np.asarray(polygon, np.float64)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    if (low < -_MARGIN).any() or (high > [width + _MARGIN, height + _MARGIN]).any():
        polygon = _clip_far(polygon, height, width)
    if len(polygon) < 3:
        return np.zeros((height, width), bool, order='F')
    flat = polygon.reshape(1, -1).tolist()
    return coco_mask.decode(coco_mask.frPyObjects(flat, height, width))[..., 0].astype(bool)


def _clip_far(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut off what lies far outside: COCO's rasteriser walks every edge pixel by pixel."""
    near = shapely.clip_by_rect(
        shapely.polygons(polygon), -_MARGIN, -_MARGIN, width + _MARGIN, height + _MARGIN
    )
    if near.geom_type != 'Polygon' or near.is_empty:
        return np.empty((0, 2))
    return shapely.get_coordinates(near)[:-1]
