"""Label maps as polygons along the edges of pixels, made strip by strip."""

import numpy as np
import shapely
from rasterio import features

from samrs_mm.core.classes import UNLABELLED

Found = tuple[int, shapely.Polygon]
"""A label, and the outline of one of its regions, holes kept."""


class LabelPolygons:
    """The 4-connected regions of each label of a map that comes in strips, however high these are.

    Only regions that reach the last row so far are held. Pixels of 255 are in no polygon.
    """

    def __init__(self) -> None:
        self._top = 0
        self._open: list[tuple[int, list[shapely.Polygon]]] = []
        self._below: np.ndarray | None = None  # which of them has a pixel of the last row; -1 none

    def push(self, labels: np.ndarray) -> list[Found]:
        """Add rows ``(rows, W)`` uint8; return the regions that end above the last of them."""
        labels = np.ascontiguousarray(labels, np.uint8)
        outlines = features.shapes(labels, mask=labels != UNLABELLED, connectivity=4)
        regions, rings, shift = list(self._open), [], (0, self._top)
        for shape, value in outlines:
            outer, *holes = (np.array(ring) for ring in shape['coordinates'])
            rings.append(outer.astype(int))
            polygon = shapely.Polygon(outer + shift, [hole + shift for hole in holes])
            regions.append((int(value), [polygon]))
        width, before = labels.shape[1], len(self._open)
        first = _along(rings, 0, width, before)
        roots = list(range(len(regions)))
        if self._below is not None:
            _unite(roots, regions, self._below, first)
        self._top += len(labels)
        last = _along(rings, len(labels), width, before)
        return self._sort_out(regions, [_root(roots, i) for i in range(len(roots))], last)

    def finish(self) -> list[Found]:
        """Return the regions that reach the end of the map."""
        found = [(value, _one(pieces)) for value, pieces in self._open]
        self._open, self._below = [], None
        return sorted(found, key=_place)

    def _sort_out(
        self, regions: list[tuple[int, list[shapely.Polygon]]], roots: list[int], last: np.ndarray
    ) -> list[Found]:
        """Keep the regions that reach the last row, return the others whole."""
        groups: dict[int, list[shapely.Polygon]] = {}
        for root, (_, pieces) in zip(roots, regions, strict=True):
            groups.setdefault(root, []).extend(pieces)
        table = np.array([*roots, -1])
        last = table[last]
        reaching = [root for root in np.unique(last).tolist() if root >= 0]
        self._open = [(regions[root][0], groups.pop(root)) for root in reaching]
        self._below = np.where(last < 0, -1, np.searchsorted(reaching, last))
        return sorted(((regions[root][0], _one(p)) for root, p in groups.items()), key=_place)


def _along(rings: list[np.ndarray], y: int, width: int, first: int) -> np.ndarray:
    """Return which ring ``(W,)`` has an edge at a row's border, counted from ``first``; -1 none."""
    found = np.full(width, -1)
    for number, ring in enumerate(rings, first):
        on = ring[:, 1] == y
        for place in np.flatnonzero(on[:-1] & on[1:]).tolist():
            start, end = sorted((ring[place, 0], ring[place + 1, 0]))
            found[start:end] = number
    return found


def _unite(roots: list[int], regions: list, above: np.ndarray, below: np.ndarray) -> None:
    """Unite regions of one label that touch at the border of two strips."""
    meeting = (above >= 0) & (below >= 0)
    for one, other in np.unique(np.stack([above[meeting], below[meeting]], 1), axis=0).tolist():
        if regions[one][0] == regions[other][0]:
            roots[_root(roots, other)] = _root(roots, one)


def _root(roots: list[int], place: int) -> int:
    while roots[place] != place:
        roots[place] = roots[roots[place]]
        place = roots[place]
    return place


def _one(pieces: list[shapely.Polygon]) -> shapely.Polygon:
    """Return pieces that share edges as one polygon, with no more corners than it needs."""
    whole = shapely.union_all(pieces) if len(pieces) > 1 else pieces[0]
    bare = shapely.Polygon(_bare(whole.exterior), [_bare(ring) for ring in whole.interiors])
    return shapely.normalize(bare)


def _bare(ring: shapely.LinearRing) -> np.ndarray:
    """Return the corners ``(K, 2)`` at which a ring turns."""
    points = shapely.get_coordinates(ring)[:-1]
    (ax, ay), (bx, by) = (points - np.roll(points, 1, 0)).T, (np.roll(points, -1, 0) - points).T
    return points[ax * by != ay * bx]


def _place(found: Found) -> tuple:
    x0, y0, *rest = found[1].bounds
    return y0, x0, *rest, found[0]
