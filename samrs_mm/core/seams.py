"""One object, one mask: masks of overlapping windows of a scene, joined over the seams.

Nothing but the masks themselves tells which of them are of one object. A mask is *cut* if it
reaches an edge of its window that is not the scene's.

1. Two masks of different windows are pieces of one object if one of them is cut and they agree
   (IoU above 0.5) where both windows see. Pieces are united, unless one of them is whole: that one
   stands for all.
2. The rest is looked at in order: whole before cut, small windows before large ones, then by the
   distance from the window's edges, the score, and the name. One that shares more than half of the
   smaller mask with one before it, of another window, is the same object, if it is cut or the
   smaller mask is more than 0.3 of the larger one. So what lies within something larger stays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from samrs_mm.core.tiling import Window

AGREE = 0.5
"""IoU above which pieces are of one object, in the area that both windows see."""
SHARED = 0.5
"""Fraction of the smaller mask above which two masks may be of one object."""
NESTED = 0.3
"""A smaller mask up to this fraction of the larger one is an object of its own."""
_EDGE = 1


@dataclass(frozen=True)
class Piece:
    """A mask of a window, or what several became; all in pixels of the scene.

    Args:
        name: Unique in the scene.
        window: The part of the scene that was seen, without padding.
        x: Column of the mask's first pixel.
        y: Row of its first pixel.
        mask: ``(h, w)`` bool, no wider than the mask.
        score: Predicted IoU.
        cut: Whether an edge cuts it.
        room: Least distance from an edge that is not the scene's.
        names: Of all that it stands for, itself included.
    """

    name: str
    window: Window
    x: int
    y: int
    mask: np.ndarray
    score: float
    cut: bool
    room: float
    names: tuple[str, ...]

    @classmethod
    def of(
        cls, name: str, window: Window, x: int, y: int, mask: np.ndarray, score: float,
        size: tuple[int, int],
    ) -> 'Piece':  # fmt: skip
        """Return a mask of a window of a scene of this width and height; see the class."""
        (h, w), (width, height) = mask.shape, size
        rooms = [
            room
            for room, edge in (
                (x - window.x, window.x > 0),
                (y - window.y, window.y > 0),
                (window.x + window.width - x - w, window.x + window.width < width),
                (window.y + window.height - y - h, window.y + window.height < height),
            )
            if edge
        ]
        room = min(rooms, default=float('inf'))
        return cls(name, window, x, y, mask, score, room <= _EDGE, room, (name,))

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(self.mask.sum())

    @property
    def _rank(self) -> tuple:
        size = self.window.width * self.window.height
        return self.cut, size, -self.room, -self.score, self.name


def join(pieces: Sequence[Piece]) -> tuple[list[Piece], dict[str, str]]:
    """Join the masks of a scene; their order does not matter.

    Returns:
        The objects, by name, and for each name of ``pieces`` that stands for none of them the name
        of the object that it is the same as.
    """
    united = sorted(_united(sorted(pieces, key=lambda piece: piece.name)), key=lambda p: p._rank)
    areas = [piece.area for piece in united]
    kept: list[Piece] = []
    same: dict[str, str] = {}
    dropped: set[int] = set()
    near = _near(united)
    for i, piece in enumerate(united):
        for j in near[i]:
            if j >= i or j in dropped or united[j].window == piece.window:
                continue
            less, more = sorted((areas[i], areas[j]))
            if not (piece.cut or less > NESTED * more):
                continue
            if _shared(piece, united[j]) > SHARED * less:
                dropped.add(i)
                same |= dict.fromkeys(piece.names, united[j].name)
                break
        else:
            kept.append(piece)
            same |= {name: piece.name for name in piece.names if name != piece.name}
    return sorted(kept, key=lambda piece: piece.name), same


def _united(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Yield what is whole for what it stands for, pieces united, and all others."""
    parents = list(range(len(pieces)))

    def root(i: int) -> int:
        while parents[i] != i:
            parents[i] = parents[parents[i]]
            i = parents[i]
        return i

    for i, others in enumerate(_near(pieces)):
        for j in others:
            one, other = pieces[i], pieces[j]
            if j > i and (one.cut or other.cut) and _agreement(one, other) > AGREE:
                parents[root(j)] = root(i)
    groups: dict[int, list[Piece]] = {}
    for i, piece in enumerate(pieces):
        groups.setdefault(root(i), []).append(piece)
    for group in groups.values():
        names = tuple(piece.name for piece in group)
        best = min(group, key=lambda piece: piece._rank)
        if not best.cut or len(group) == 1:
            yield replace(best, names=names)
            continue
        largest = max(group, key=lambda piece: piece.area)
        x, y, mask = _union(group)
        yield replace(largest, x=x, y=y, mask=mask, cut=False, names=names)


def _near(pieces: Sequence[Piece]) -> list[list[int]]:
    """Return for each piece the others whose upright boxes meet its own, ascending."""
    boxes = shapely.box(
        *np.array([(p.x, p.y, p.x + p.mask.shape[1], p.y + p.mask.shape[0]) for p in pieces])
        .reshape(-1, 4)
        .T
    )
    found: list[list[int]] = [[] for _ in pieces]
    for i, j in shapely.STRtree(boxes).query(boxes).T.tolist():
        if i != j:
            found[i].append(j)
    return [sorted(others) for others in found]


def _inside(piece: Piece, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """Return the mask ``(y1 - y0, x1 - x0)`` in a part of the scene that lies in its box."""
    return piece.mask[y0 - piece.y : y1 - piece.y, x0 - piece.x : x1 - piece.x]


def _shared(one: Piece, other: Piece) -> int:
    """Return how many pixels two masks share."""
    x0, y0 = max(one.x, other.x), max(one.y, other.y)
    x1 = min(one.x + one.mask.shape[1], other.x + other.mask.shape[1])
    y1 = min(one.y + one.mask.shape[0], other.y + other.mask.shape[0])
    if x0 >= x1 or y0 >= y1:
        return 0
    return int((_inside(one, x0, y0, x1, y1) & _inside(other, x0, y0, x1, y1)).sum())


def _agreement(one: Piece, other: Piece) -> float:
    """Return the IoU of masks of two windows in the area that both see; 0 of one window's."""
    if one.window == other.window:
        return 0.0
    x0, y0 = max(one.window.x, other.window.x), max(one.window.y, other.window.y)
    x1 = min(each.window.x + each.window.width for each in (one, other))
    y1 = min(each.window.y + each.window.height for each in (one, other))
    shared, areas = _shared(one, other), 0
    if not shared:
        return 0.0
    for each in (one, other):
        left, top = max(each.x, x0), max(each.y, y0)
        right, bottom = min(each.x + each.mask.shape[1], x1), min(each.y + each.mask.shape[0], y1)
        areas += int(_inside(each, left, top, right, bottom).sum())
    return shared / (areas - shared)


def _union(group: Sequence[Piece]) -> tuple[int, int, np.ndarray]:
    """Return the place of several masks as one, x and y, and that mask."""
    x, y = min(piece.x for piece in group), min(piece.y for piece in group)
    right = max(piece.x + piece.mask.shape[1] for piece in group)
    bottom = max(piece.y + piece.mask.shape[0] for piece in group)
    mask = np.zeros((bottom - y, right - x), bool)
    for piece in group:
        h, w = piece.mask.shape
        mask[piece.y - y : piece.y - y + h, piece.x - x : piece.x - x + w] |= piece.mask
    return x, y, mask
