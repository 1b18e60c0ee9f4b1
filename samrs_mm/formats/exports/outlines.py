"""Masks as outlines that run along the edges of pixels.

Such an outline, rasterised by COCO's rule, gives back exactly the pixels it was drawn around.
Outlines through the centres of border pixels (``cv2.findContours``) lose half a pixel all around.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from pycocotools import mask as coco_mask
from rasterio import features

from samrs_mm.core import masks

_AT_ONCE = 256


@dataclass(frozen=True)
class Outline:
    """The outer borders of a mask; they leave holes filled."""

    parts: list[np.ndarray]
    """A ring ``(K, 2)`` int64 for each 4-connected part, x, y in pixels, not closed; the largest
    first."""
    holes: int
    hole_pixels: int

    @property
    def area(self) -> int:
        """Pixels inside the outer borders, those of holes too."""
        return sum(map(_area, self.parts))


def outline(segmentation: dict) -> Outline:
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
