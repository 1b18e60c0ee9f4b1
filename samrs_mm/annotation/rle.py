"""COCO run-length masks with text counts, as they stand in JSON."""

from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

_FARTHEST = (1 << 16) - 1


def encode(mask: np.ndarray) -> dict:
    """Encode a mask ``(H, W)`` bool or uint8 as ``{'size': [H, W], 'counts': str}``.

    Fastest where the mask is in Fortran order (a transposed C array).
    """
    return _text(coco_mask.encode(np.asfortranarray(mask).view(np.uint8)))


def from_polygon(polygon: np.ndarray, height: int, width: int) -> dict:
    """Encode the pixels of a polygon, corners ``(K, 2)`` of x, y, K >= 3, by COCO's rule."""
    return _text(coco_mask.frPyObjects(polygon.reshape(1, -1).tolist(), height, width)[0])


def encode_pixels(places: np.ndarray, height: int, width: int) -> dict:
    """Encode a mask given by its pixels, in time that doesn't depend on the image's size.

    Args:
        places: Positions ``x * height + y`` of the mask's pixels, ascending, int64.
        height: Image height in pixels.
        width: Image width in pixels.
    """
    ends = np.flatnonzero(np.diff(places, append=height * width + 1) > 1)
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    edges = np.stack([places[starts], places[ends] + 1], 1).ravel() if len(places) else []
    counts = np.diff(np.concatenate([[0], edges, [height * width]])).astype(int).tolist()
    if counts[-1] == 0:  # the encoder writes no empty run at the end
        counts.pop()
    return from_coco(dict(size=[height, width], counts=counts), height, width)


def from_coco(segmentation: Any, height: int, width: int) -> dict | None:
    """Return a segmentation as COCO files have it as RLE with text counts; None if there is none.

    Args:
        segmentation: A list of polygons, or RLE with counts as a list or as text.
        height: Image height in pixels, for polygons.
        width: Image width in pixels, for polygons.

    Raises:
        ValueError: A polygon that is none, see ``check_polygons``.
    """
    if not segmentation:
        return None
    if isinstance(segmentation, list):
        check_polygons(segmentation)
        mask = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation['counts'], list):
        mask = coco_mask.frPyObjects(segmentation, height, width)
    else:
        return dict(size=list(segmentation['size']), counts=segmentation['counts'])
    return dict(size=list(mask['size']), counts=mask['counts'].decode('ascii'))


def check_polygons(polygons: list) -> None:
    """Refuse what would make pycocotools ask for all memory there is.

    Args:
        polygons: Lists of ``x1, y1, x2, y2, x3, y3, ...`` in pixels.

    Raises:
        ValueError: Not that, or a coordinate that is NaN or beyond any image.
    """
    for polygon in polygons:
        points = np.array(polygon, float)
        if points.ndim != 1 or len(points) < 6 or len(points) % 2:
            raise ValueError('a polygon is not a list of x1, y1, x2, y2, x3, y3 ...')
        if not (np.abs(points) <= _FARTHEST).all():
            raise ValueError(f'a polygon has a coordinate that is not within {_FARTHEST}')


def decode(rle: dict) -> np.ndarray:
    """Decode to a mask ``(H, W)`` bool, Fortran order.

    Raises:
        ValueError: The runs don't add up to the stated size.
    """
    return coco_mask.decode(_raw(rle)).view(bool)


def area(rle: dict) -> int:
    """Return the number of pixels of a mask."""
    return int(coco_mask.area(_raw(rle)))


def shared_area(first: dict, second: dict) -> int:
    """Return the number of pixels that two masks of one size share."""
    return int(coco_mask.area(coco_mask.merge([_raw(first), _raw(second)], intersect=True)))


def bbox(rle: dict) -> list[int]:
    """Return the mask's own box ``[x, y, w, h]`` in pixels; zeros for an empty mask."""
    return [int(value) for value in coco_mask.toBbox(_raw(rle))]


def _text(rle: dict) -> dict:
    return {'size': [int(side) for side in rle['size']], 'counts': rle['counts'].decode('ascii')}


def _raw(rle: dict) -> dict:
    return {'size': rle['size'], 'counts': rle['counts'].encode('ascii')}
