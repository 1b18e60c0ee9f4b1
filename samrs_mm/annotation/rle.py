"""COCO run-length masks with text counts, as they stand in JSON."""

import numpy as np
from pycocotools import mask as coco_mask


def encode(mask: np.ndarray) -> dict:
    """Encode a mask ``(H, W)`` bool or uint8 as ``{'size': [H, W], 'counts': str}``.

    Fastest where the mask is in Fortran order (a transposed C array).
    """
    rle = coco_mask.encode(np.asfortranarray(mask).view(np.uint8))
    return {'size': [int(side) for side in rle['size']], 'counts': rle['counts'].decode('ascii')}


def decode(rle: dict) -> np.ndarray:
    """Decode to a mask ``(H, W)`` bool, Fortran order.

    Raises:
        ValueError: The runs don't add up to the stated size.
    """
    return coco_mask.decode(_raw(rle)).view(bool)


def area(rle: dict) -> int:
    """Return the number of pixels of a mask."""
    return int(coco_mask.area(_raw(rle)))


def bbox(rle: dict) -> list[int]:
    """Return the mask's own box ``[x, y, w, h]`` in pixels; zeros for an empty mask."""
    return [int(value) for value in coco_mask.toBbox(_raw(rle))]


def _raw(rle: dict) -> dict:
    return {'size': rle['size'], 'counts': rle['counts'].encode('ascii')}
