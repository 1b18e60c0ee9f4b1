"""Masks as outlines, and how exactly they are read again.

Readers rasterise polygons by one of three rules. COCO's (pycocotools, so mmdet, torchvision and
detectron2) rounds corners to a fifth of a pixel and takes the pixels inside. The others fill the
line, too, as OpenCV's ``fillPoly`` and Pillow's ``polygon`` do, of corners that they first cut to
whole pixels (Ultralytics, LabelMe) or round (supervision). So a polygon just inside the edges of
pixels is exact to COCO's rule, to which it is the edge, and to readers that cut, to which it is the
border pixels; and none is exact to all three.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from pycocotools import mask as coco_mask
from rasterio import features

from samrs_mm.core import masks

_AT_ONCE = 256
_MARGIN = 2


EDGES, INNER = 'edges', 'inner'
_INSIDE = {EDGES: (0.05, 0.05), INNER: (0.4, 0.55)}
"""How far inside a pixel's left and upper edge, and its right and lower, an outline runs.

Less than 0.1 is the edge to COCO's rule. 0.4 from the left, and 0.45 where the pixel ends, are the
same pixel cut off or rounded, and least too large where readers scale images down before.
"""


@dataclass(frozen=True)
class Outline:
    """The outer borders of a mask; they leave holes filled.

    They run around each 4-connected part, just inside the edges of pixels; inner ones through
    the border pixels, so that readers that round get the mask as well.
    """

    parts: list[np.ndarray]
    """A ring ``(K, 2)`` float64 for each part, x, y in pixels, not closed; the largest first."""
    holes: int
    hole_pixels: int


def outline(segmentation: dict, inner: bool = False) -> Outline:
    """Return the outline of a run-length mask; without parts for an empty one."""
    x, y, pixels = masks.crop(segmentation)
    if not pixels.size:
        return Outline([], 0, 0)
    parts, holes = _rings(pixels)
    added = 0
    if holes:  # what lies within them becomes part of what surrounds them
        flat = [ring.ravel().tolist() for ring in holes]
        inside = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(flat, *pixels.shape)))
        added = int(np.count_nonzero(inside > pixels))
        parts, _ = _rings(pixels | inside.view(bool))
    parts.sort(key=lambda ring: (-_area(ring), *ring.min(axis=0).tolist()))
    margins = _INSIDE[INNER if inner else EDGES]
    rings = [_inside(ring + (x, y), *margins) for ring in parts]  # noqa: RUF005 (arrays)
    return Outline(rings, len(holes), added)


def as_read(segmentation: dict, rings: list[np.ndarray]) -> dict[str, float]:
    """Return the IoU of a mask and its polygons as readers rasterise them.

    Polygons of one mask are filled one by one.

    Returns:
        ``iou_coco`` by COCO's rule, ``iou_opencv`` by OpenCV's after cutting to whole pixels.
    """
    x, y, pixels = masks.crop(segmentation)
    mask = np.pad(pixels, _MARGIN)
    height, width = segmentation['size']
    low = np.array([x, y]) - _MARGIN
    moved = [ring - low for ring in rings]
    flat = [ring.ravel().astype(float).tolist() for ring in moved]
    by_coco = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(flat, *mask.shape)))
    by_opencv = np.zeros(mask.shape, np.uint8)
    for ring in moved:
        cv2.fillPoly(by_opencv, [np.floor(ring).astype(np.int32)], 1)
    # what lies beyond the image is in no mask that is read
    for read in (by_coco, by_opencv):
        read[: max(-low[1], 0)] = read[max(height - low[1], 0) :] = 0
        read[:, : max(-low[0], 0)] = read[:, max(width - low[0], 0) :] = 0
    coco, opencv = (_iou(mask, read.view(bool)) for read in (by_coco, by_opencv))
    return dict(iou_coco=coco, iou_opencv=opencv)


def _iou(mask: np.ndarray, other: np.ndarray) -> float:
    return np.count_nonzero(mask & other) / np.count_nonzero(mask | other)


def _inside(ring: np.ndarray, first: float, last: float) -> np.ndarray:
    """Return a ring along the edges of pixels, each edge moved inwards.

    Left and upper edges move by ``first``, right and lower ones by ``last``.
    """
    ahead = np.roll(ring, -1, axis=0) - ring
    x, y = ring.T
    turn = np.sign((x * ahead[:, 1] - y * ahead[:, 0]).sum())  # on which side the inside is
    inwards = turn * np.sign(ahead[:, ::-1]) * (-1, 1)
    # a corner goes with both of its edges, one upright and one level
    step = np.clip(inwards + np.roll(inwards, 1, axis=0), -1, 1)
    return np.round(ring + np.where(step > 0, first, last) * step, 2)


def _rings(pixels: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the outer rings of the parts of ``(H, W)`` pixels, and the rings of holes."""
    parts, holes = [], []
    for shape, _ in features.shapes(pixels.astype(np.uint8), mask=pixels, connectivity=4):
        outer, *inner = (np.array(ring[:-1], np.int64) for ring in shape['coordinates'])
        parts.append(outer)
        holes += inner
    return parts, holes


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Return several rings as one, joined by lines that are walked forth and back.

    Such a line has no area. Each ring ``(K, 2)`` is joined where it comes nearest to those before.
    """
    ring = parts[0]
    for part in parts[1:]:
        here, there = _nearest(ring, part)
        detour = np.concatenate([part[there:], part[: there + 1]])
        ring = np.concatenate([ring[: here + 1], detour, ring[here:]])
    return ring


def _nearest(ring: np.ndarray, part: np.ndarray) -> tuple[int, int]:
    """Return which points of two rings are nearest; a matrix of all distances could fill memory."""
    found = []
    for start in range(0, len(ring), _AT_ONCE):
        distances = ((ring[start : start + _AT_ONCE, None] - part[None]) ** 2).sum(axis=2)
        here, there = np.unravel_index(distances.argmin(), distances.shape)
        found.append((distances[here, there], start + int(here), int(there)))
    return min(found)[1:]


def _area(ring: np.ndarray) -> int:
    return round(cv2.contourArea(ring.astype(np.int32)))
