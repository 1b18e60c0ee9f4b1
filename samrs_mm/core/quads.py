"""Four corners of a box in any order: told where edges cross, and put in order."""

from collections.abc import Sequence

import numpy as np

Point = Sequence[float]
_ORDERS = ((0, 1, 2, 3), (0, 2, 1, 3), (0, 1, 3, 2))


def in_order(corners: np.ndarray) -> np.ndarray | None:
    """Return four corners ``(4, 2)`` in the order in which their edges do not meet, or None.

    None: they are in order already, as those of a concave shape are in any order, or there is no
    such order (a coordinate is not finite, or all corners lie on one line). The first corner stays
    first. Of three corners on one line, or of one corner given twice, the order of the largest
    area is taken.
    """
    a, b, c, d = points = corners.tolist()
    turns = _side(a, b, c), _side(b, c, d), _side(c, d, a), _side(d, a, b)
    if min(turns) > 0 or max(turns) < 0:  # convex: nearly all boxes
        return None
    if not (_meet(a, b, c, d) or _meet(b, c, d, a)):
        return None
    areas = [_area([points[i] for i in order]) for order in _ORDERS]
    best = max(range(3), key=areas.__getitem__)
    if not areas[best] > areas[0]:
        return None
    return corners[list(_ORDERS[best])]


def _side(a: Point, b: Point, c: Point) -> float:
    """Return on which side of the line from a to b c lies: its sign; 0 is on the line."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Return whether the segments a-b and c-d cross or touch; never where one is NaN."""
    c_side, d_side, a_side, b_side = (
        _side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)
    )  # fmt: skip
    if c_side * d_side < 0 and a_side * b_side < 0:
        return True
    return (
        (c_side == 0 and _between(a, b, c))
        or (d_side == 0 and _between(a, b, d))
        or (a_side == 0 and _between(c, d, a))
        or (b_side == 0 and _between(c, d, b))
    )


def _between(a: Point, b: Point, c: Point) -> bool:
    """Return whether c, on the line through a and b, lies between them."""
    return all(min(p, q) <= r <= max(p, q) for p, q, r in zip(a, b, c, strict=True))


def _area(points: Sequence[Point]) -> float:
    following = [*points[1:], points[0]]
    twice = sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(points, following, strict=True))
    return abs(twice) / 2
