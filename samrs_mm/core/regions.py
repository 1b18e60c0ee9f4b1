"""Regions that are no single object, as crowds: which tiles they lie in, and their pixels there."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from samrs_mm.core import masks, segmentations
from samrs_mm.core.boxes import BoxLabel

ANY_SHARE = 1e-9
"""Least share in a tile of a region, which stands in every tile that it reaches into."""


def least_shares(labels: Sequence[BoxLabel], iof: float) -> np.ndarray | float:
    """Return the least fraction of each label in a tile, ``(N,)``, for ``tiling.assign``.

    It is ``iof`` for objects; a region belongs to every tile that it reaches into.
    """
    if not any(label.meaning for label in labels):
        return iof
    return np.array([ANY_SHARE if label.meaning else iof for label in labels])


def fitted(labels: Sequence[BoxLabel], width: int, height: int) -> list[BoxLabel]:
    """Return the labels of a scene of this size; a region of another size becomes its box.

    A note on the label says so.
    """
    return [_fitted(label, width, height) for label in labels]


def _fitted(label: BoxLabel, width: int, height: int) -> BoxLabel:
    size = label.region.get('size') if isinstance(label.region, dict) else [height, width]
    if size == [height, width]:
        return label
    note = (
        f'its region is of {size} (height, width), the image of {[height, width]} px: its box is '
        'taken'
    )
    return replace(label, region=None, notes=(*label.notes, note))


def pixels_of(
    label: BoxLabel, polygon: np.ndarray, offset: np.ndarray, inside: tuple[int, int],
    size: tuple[int, int],
) -> dict:  # fmt: skip
    """Return the pixels of a region in a tile as COCO RLE.

    Args:
        label: The label, ``fitted`` to its scene.
        polygon: Corners ``(4, 2)`` of its box in pixels of the tile.
        offset: x, y of the tile in the scene ``(2,)``.
        inside: Width and height of the tile without padding.
        size: Width and height of the tile.
    """
    width, height = inside
    mask = np.zeros((size[1], size[0]), bool, order='F')
    part = mask[:height, :width]
    if label.region is None:
        part |= masks.fill_polygon(polygon, height, width)
    elif isinstance(label.region, list):
        for ring in label.region:
            points = np.array(ring, float).reshape(-1, 2) - offset
            part |= masks.fill_polygon(points, height, width)
    else:
        whole = segmentations.from_coco(label.region, *label.region['size'])
        assert whole is not None
        x, y = offset.astype(int).tolist()
        part |= masks.decode(whole)[y : y + height, x : x + width]
    return masks.encode(mask)
