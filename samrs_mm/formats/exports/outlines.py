"""Masks as outlines, and how exactly they are read again.

Readers rasterise polygons by one of two rules. By COCO's (pycocotools, so mmdet, torchvision and
detectron2) a polygon that runs along the edges of pixels gives back exactly the pixels inside; one
through the border pixels loses some half a pixel all around. OpenCV's ``fillPoly`` (Ultralytics,
supervision, LabelMe's tools) cuts coordinates to whole pixels and fills those on the line too, so
there it is the other way round: along edges a mask gets a pixel wider and higher.
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
_WITHIN = 0.25
"""Where in a pixel a point of an inner outline lies: cut off or rounded it is that pixel."""
_THICKNESS = 0.15


@dataclass(frozen=True)
class Outline:
    """The outer borders of a mask; they leave holes filled.

    They run along the edges of pixels, around each 4-connected part; inner ones through the border
    pixels of each 8-connected part, so that readers that fill the line too get the mask.
    """

    parts: list[np.ndarray]
    """A ring ``(K, 2)`` int64, or float64 of an inner outline, for each part, x, y in pixels, not
    closed; the largest first."""
    holes: int
    hole_pixels: int


def outline(segmentation: dict, inner: bool = False) -> Outline:
    """Return the outline of a run-length mask; without parts for an empty one."""
    x, y, pixels = masks.crop(segmentation)
    found = _edges(x, y, pixels)
    if not inner:
        return found
    contours, _ = cv2.findContours(
        np.ascontiguousarray(pixels, np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    rings = sorted((ring[:, 0].astype(np.int64) for ring in contours), key=_rank)
    parts = [_thick(ring) + (x, y) for ring in rings]  # noqa: RUF005 (arrays)
    return Outline(parts, found.holes, found.hole_pixels)


def _rank(ring: np.ndarray) -> tuple:
    return -_area(ring), -len(ring), *ring.min(axis=0).tolist()


def _thick(ring: np.ndarray) -> np.ndarray:
    """Return a ring through pixels as floats; what has no area walks there and back beside it.

    Readers take no polygon of less than three points, and drop one of no area.
    """
    points = ring + _WITHIN
    if _area(ring):
        return points
    across, down = np.diag([_THICKNESS, _THICKNESS])
    return np.concatenate([points - _THICKNESS, points[::-1] + across, points[:1] + down])


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


def _edges(x: int, y: int, pixels: np.ndarray) -> Outline:
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
    return Outline([ring + (x, y) for ring in parts], len(holes), added)  # noqa: RUF005 (arrays)


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
