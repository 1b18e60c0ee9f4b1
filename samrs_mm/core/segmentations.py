"""Segmentations as COCO files have them, polygons or run lengths, as sound masks."""

from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from samrs_mm.core.masks import FARTHEST, MaskError, checked, of_runs
from samrs_mm.core.quads import in_order


def from_coco(segmentation: Any, height: int, width: int) -> dict | None:
    """Return a segmentation as COCO files have it as RLE with text counts; None if there is none.

    It is a list of polygons, or RLE with counts as a list or as text. Polygons of four corners
    whose edges cross are put in order, as those of boxes are.

    Raises:
        MaskError: Neither of them, a polygon that is none (see ``check_polygons``), or RLE of
            another size, or whose runs don't fill it.
    """
    if segmentation is None or segmentation == []:
        return None
    if isinstance(segmentation, list):
        check_polygons(segmentation)
        rings = [_in_order(polygon) for polygon in segmentation]
        merged = coco_mask.merge(coco_mask.frPyObjects(rings, height, width))
        return checked(dict(size=[height, width], counts=merged['counts'].decode('ascii')))
    if not isinstance(segmentation, dict):
        raise MaskError(f'{segmentation!r:.60} is neither a list of polygons nor run lengths')
    size, counts = segmentation.get('size'), segmentation.get('counts')
    if not isinstance(size, list | tuple) or list(size) != [height, width]:
        raise MaskError(f'a mask of {size!r:.60} in an image of {[height, width]} (height, width)')
    if isinstance(counts, list):
        return checked(of_runs(_whole_runs(counts, height, width), height, width))
    if isinstance(counts, bytes):
        counts = counts.decode('latin-1')
    if not isinstance(counts, str):
        raise MaskError(f'counts are {counts!r:.60}; allowed: a list of run lengths, or their text')
    return checked(dict(size=[height, width], counts=counts))


def _whole_runs(counts: list, height: int, width: int) -> list[int]:
    """Return run lengths, which pycocotools doesn't look at."""
    for run in counts:
        if isinstance(run, bool) or not isinstance(run, int) or run < 0:
            raise MaskError(f'counts hold {run!r:.60}; allowed: whole numbers of at least 0')
    if sum(counts) != height * width:
        raise MaskError(f'a mask whose runs do not add up to its {width} x {height} px')
    return counts


def _in_order(polygon: list) -> list:
    if len(polygon) != 8:
        return polygon
    ordered = in_order(np.array(polygon, float).reshape(4, 2))
    return polygon if ordered is None else ordered.ravel().tolist()


def check_polygons(polygons: list) -> None:
    """Refuse what would make pycocotools ask for all memory there is.

    Raises:
        MaskError: Not lists of ``x1, y1, x2, y2, x3, y3, ...`` in pixels, or a coordinate that is
            NaN or beyond any image.
    """
    for polygon in polygons:
        if not isinstance(polygon, list) or not set(map(type, polygon)) <= {int, float}:
            raise MaskError(
                f'a polygon is {polygon!r:.60}; a segmentation is a list of polygons, each a list '
                'of x1, y1, x2, y2, x3, y3 ...'
            )
        if len(polygon) < 6 or len(polygon) % 2:
            raise MaskError(
                f'a polygon of {len(polygon)} numbers; allowed: x1, y1, x2, y2, x3, y3 ..., an '
                'even number of at least 6'
            )
        if not all(abs(value) <= FARTHEST for value in polygon):
            raise MaskError(f'a polygon has a coordinate that is not within {FARTHEST}')
