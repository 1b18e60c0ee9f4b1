"""How far a mask agrees with the true one: all of its pixels, and those near its outline.

Source of boundary IoU: Cheng et al. 2021, Boundary IoU (CVPR), arXiv:2103.16562.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from samrs_mm.core import masks

BOUNDARY_RATIO = 0.02
"""Width of a boundary as a fraction of the image's diagonal; the paper's value."""


def boundary_width(height: int, width: int, ratio: float = BOUNDARY_RATIO) -> int:
    """Return the width in pixels, at least 1, of the boundaries of an image's masks."""
    return max(1, round(ratio * float(np.hypot(height, width))))


@dataclass(frozen=True)
class MaskRegion:
    """A mask and its boundary, cut to the mask's own box.

    The boundary is what an erosion by a square of side ``2 * width + 1`` takes away: the mask's
    pixels that have background, or the world outside the image, within ``width`` pixels along
    either axis. Mask and boundary are ``(h, w)`` bool, 0 x 0 for an empty mask; x and y are the
    box's corner in pixels.
    """

    x: int
    y: int
    mask: np.ndarray
    boundary: np.ndarray

    @classmethod
    def of(cls, segmentation: dict, width: int) -> 'MaskRegion':
        """Cut a mask (COCO RLE) out; ``width`` of the boundary is in pixels, >= 1."""
        x, y, mask = masks.crop(segmentation)
        mask = np.ascontiguousarray(mask)
        if not mask.size:
            return cls(x, y, mask, mask)
        padded = cv2.copyMakeBorder(mask.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        depth = cv2.distanceTransform(padded, cv2.DIST_C, 3)[1:-1, 1:-1]
        return cls(x, y, mask, mask & (depth <= width))

    def shared(self, other: 'MaskRegion') -> tuple[int, int]:
        """Return how many pixels the masks share, and how many the boundaries share."""
        both = (self, other)
        x0, y0 = max(each.x for each in both), max(each.y for each in both)
        x1 = max(min(each.x + each.mask.shape[1] for each in both), x0)
        y1 = max(min(each.y + each.mask.shape[0] for each in both), y0)
        mine, theirs = (
            (slice(y0 - each.y, y1 - each.y), slice(x0 - each.x, x1 - each.x)) for each in both
        )
        return (
            _count(self.mask[mine] & other.mask[theirs]),
            _count(self.boundary[mine] & other.boundary[theirs]),
        )


class Overlap(NamedTuple):
    """Pixel counts of a mask (``area``) against the true one; unions are >= 1."""

    area: int
    intersection: int
    union: int
    boundary_intersection: int
    boundary_union: int


def measure(predicted: MaskRegion | None, truth: MaskRegion) -> Overlap:
    """Compare a mask (None is an empty one) with the true one, which is not empty."""
    true_area, true_edge = _count(truth.mask), _count(truth.boundary)
    if predicted is None:
        return Overlap(0, 0, true_area, 0, true_edge)
    area, edge = _count(predicted.mask), _count(predicted.boundary)
    both, both_edges = predicted.shared(truth)
    return Overlap(area, both, area + true_area - both, both_edges, edge + true_edge - both_edges)


def _count(pixels: np.ndarray) -> int:
    return int(np.count_nonzero(pixels))
