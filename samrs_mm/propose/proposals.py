"""Proposed boxes of one image: joined over windows, and without those that say the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import shapely

from samrs_mm.core import masks as mask_ops
from samrs_mm.core.boxes import bounding_boxes, convex_hull_area

SAME = 0.6
"""IoU from which two boxes of a class are one object."""


@dataclass
class Proposals:
    """N boxes of an image.

    Args:
        polygons: Corners ``(N, 4, 2)`` x, y in pixels, float64.
        scores: ``(N,)`` in [0, 1].
        labels: Class indices ``(N,)`` int64.
        oriented: Whether the boxes are R-Boxes.
        masks: COCO RLE of the image's size of each; None where only boxes are known.
    """

    polygons: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    oriented: bool = False
    masks: list[dict] | None = None

    @classmethod
    def empty(cls) -> 'Proposals':
        """Return no proposals."""
        return cls(np.empty((0, 4, 2)), np.empty(0), np.empty(0, np.int64), masks=[])

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: Any) -> 'Proposals':
        """Return the proposals at some rows, indices or ``(N,)`` bool."""
        rows = np.arange(len(self))[rows]
        masks = None if self.masks is None else [self.masks[row] for row in rows]
        return Proposals(
            self.polygons[rows], self.scores[rows], self.labels[rows], self.oriented, masks
        )

    @classmethod
    def joined(cls, parts: Sequence['Proposals']) -> 'Proposals':
        """Return those of several windows together; they are of one kind."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls.empty()
        masks = [part.masks or [] for part in parts]
        return cls(
            np.concatenate([part.polygons for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.labels for part in parts]),
            parts[0].oriented,
            None if parts[0].masks is None else [*chain.from_iterable(masks)],
        )

    @property
    def hboxes(self) -> np.ndarray:
        """H-Boxes ``(N, 4)`` x0, y0, x1, y1 around the corners."""
        return bounding_boxes(self.polygons)

    @property
    def areas(self) -> np.ndarray:
        """Pixels of the masks where they are known, else areas of the boxes, ``(N,)``."""
        if self.masks is None:
            return convex_hull_area(self.polygons)
        return np.array([mask_ops.area(mask) for mask in self.masks], float)

    def clipped(self, width: int, height: int) -> 'Proposals':
        """Return those that reach into an image, H-Boxes cut to it."""
        size = np.array([width, height])
        bounds = self.hboxes
        inside = (bounds[:, 2:] > 0).all(axis=1) & (bounds[:, :2] < size).all(axis=1)
        found = self[inside & np.isfinite(bounds).all(axis=1)]
        if not found.oriented:
            found.polygons = np.clip(found.polygons, 0, size)
        return found

    def best(self, same: float = SAME, most: int | None = None) -> 'Proposals':
        """Return them by score, without those of a class that overlap a better one.

        Args:
            same: IoU of boxes from which they are one object.
            most: How many at most; None is all.
        """
        found = self[np.argsort(-self.scores, kind='stable')]
        left = np.ones(len(found), bool)
        for row, others in _overlapping(found, same):
            if left[row]:
                left[others[others > row]] = False
        return found[np.flatnonzero(left)[:most]]


def _overlapping(found: Proposals, same: float) -> Sequence[tuple[int, np.ndarray]]:
    """Return the rows that overlap others of their class by so much, ascending, and the others."""
    shapes = shapely.convex_hull(shapely.multipoints(found.polygons))
    one, other = shapely.STRtree(shapes).query(shapes, predicate='intersects')
    fits = (one != other) & (found.labels[one] == found.labels[other])
    one, other = one[fits], other[fits]
    areas = shapely.area(shapes)
    shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
    with np.errstate(invalid='ignore'):
        close = shared / (areas[one] + areas[other] - shared) >= same
    one, other = one[close], other[close]
    order = np.argsort(one, kind='stable')
    rows, starts = np.unique(one[order], return_index=True)
    return (
        list(zip(rows.tolist(), np.split(other[order], starts[1:]), strict=True))
        if len(rows)
        else []
    )
