"""Box geometry in numpy: hulls, clipping, and what becomes of a box in an image."""

import numpy as np
import shapely

MIN_SIDE = 1.0
"""A box thinner than one pixel, before or after clipping, can't hold a mask."""

MIN_AREA = 1.0
"""Nor can one of less than a square pixel (a sliver lying askew)."""

OK, OUTSIDE, DEGENERATE = 'ok', 'outside', 'degenerate'


def bounding_boxes(polygons: np.ndarray) -> np.ndarray:
    """Return the H-Boxes ``(N, 4)`` (min x, min y, max x, max y) of polygons ``(N, K, 2)``."""
    return np.concatenate([polygons.min(axis=1), polygons.max(axis=1)], axis=1)


def corners(hboxes: np.ndarray) -> np.ndarray:
    """Return H-Boxes ``(N, 4)`` as clockwise corners ``(N, 4, 2)``, top left first."""
    return hboxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def clip(hboxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Clip H-Boxes ``(N, 4)`` to ``[0, width] x [0, height]``."""
    return np.clip(hboxes, 0, [width, height, width, height])


def convex_hull_area(polygons: np.ndarray) -> np.ndarray:
    """Return the areas ``(N,)`` of the convex hulls of polygons ``(N, 4, 2)``, 0 where NaN."""
    finite = np.isfinite(polygons).all(axis=(1, 2))
    safe = np.where(finite[:, None, None], polygons, 0)
    return shapely.area(shapely.convex_hull(shapely.multipoints(safe)))


def box_statuses(
    hboxes: np.ndarray, polygons: np.ndarray, width: int, height: int
) -> tuple[list[str], list[str]]:
    """Decide which boxes can be prompted in an image.

    Args:
        hboxes: H-Boxes ``(N, 4)`` that enclose what is prompted, unclipped; may hold NaN.
        polygons: Corners ``(N, 4, 2)`` of the labelled boxes.
        width: Image width in pixels.
        height: Image height in pixels.

    Returns:
        ``'ok'``, ``'outside'`` or ``'degenerate'`` for each box, and a reason (empty for ok).
    """
    areas = convex_hull_area(polygons)
    clipped = clip(hboxes, width, height)
    judged = [_fate(*each, width, height) for each in zip(hboxes, clipped, areas, strict=True)]
    return [fate for fate, _ in judged], [reason for _, reason in judged]


def _fate(
    box: np.ndarray, clipped: np.ndarray, area: float, width: int, height: int
) -> tuple[str, str]:
    if not np.isfinite(box).all():
        return DEGENERATE, 'a coordinate is NaN or infinite'
    sides = box[2:] - box[:2]
    if (sides < MIN_SIDE).any():
        return DEGENERATE, f'{sides[0]:g} x {sides[1]:g} px is thinner than {MIN_SIDE:g} px'
    if area < MIN_AREA:
        return DEGENERATE, f'covers {area:g} square pixels, less than {MIN_AREA:g}'
    if (clipped[2:] - clipped[:2] < MIN_SIDE).any():
        span = ', '.join(f'{value:g}' for value in box)
        return OUTSIDE, f'box [{span}] lies outside the {width} x {height} px image'
    return OK, ''
