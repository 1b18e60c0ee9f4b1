"""Objects as annotation tools hand them back: shapes of an image, and what was shown to people."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core.atomic import load
from samrs_mm.core.errors import SamrsError
from samrs_mm.formats.annotated.entries import REJECTED, BoxEntry

FEWEST = 3
"""Points of a polygon at least."""
MOST_PIXELS = 2**30
FARTHEST = 1e9
"""No corner is so many pixels away, and none is NaN."""
_AT_ONCE = 512
_DIGITS = 12
_DECIMALS = 2
_CORNERS = 128


class EditError(SamrsError):
    """A file of an annotation tool is not what it should be, or can't be taken over."""


@dataclass(slots=True)
class Shape:
    """A polygon or a mask.

    Args:
        place: Where it stands in its file, for messages.
        label: Name of its class.
        ring: Corners ``(K, 2)`` float64, x, y in pixels; None of a mask.
        mask: RLE of the image's size; None of a polygon.
        box_id: The box that it was made of; None of a new one, or where it isn't told.
        part: Which part of the box's mask it was, from 0.
        group: What joins the shapes of one object, if anything does.
        bare: Whether the tool has a box alone, of which the ring is, and no mask.
    """

    place: str
    label: str
    ring: np.ndarray | None = None
    mask: dict | None = None
    box_id: str | None = None
    part: int | None = None
    group: Any = None
    bare: bool = False


@dataclass(slots=True)
class Shown:
    """What people were shown of a box: digests of its mask and of its rings, and its class."""

    mask: str
    category: str
    rings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class EditedImage:
    """An image as it comes back.

    Args:
        file: The file.
        stem: Name of the image.
        width: Of the image in pixels.
        height: Of the image in pixels.
        shapes: What is on it now.
        shown: What was, by box id; None where the file does not tell: all that is in the dataset.
        checked: Whether somebody called the image done.
        retraced: Whether the tool traces masks anew, or does not tell boxes; see ``retraced``.
        line: Whether polygons drawn in the tool run through the middle of pixels, so that those are
            in them too, where those of untouched masks do.
        when: Time of the edits as ISO 8601; None for that of the file.
    """

    file: Path
    stem: str
    width: int
    height: int
    shapes: list[Shape]
    shown: dict[str, Shown] | None = None
    checked: bool = False
    retraced: bool = False
    line: bool = False
    when: str | None = None


def parsed(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        ValueError: It is no JSON.
        OSError: It can't be read.
    """
    try:
        return load(path.read_bytes())
    except ValueError as error:
        raise ValueError(f'not JSON ({error}); is the file whole? Save it again') from error


def mask_digest(box: BoxEntry) -> str:
    """Return what tells the mask of a box from others, and a rejected one from others."""
    text = box.segmentation['counts'] if box.segmentation else ''
    text += ' rejected' * (box.status == REJECTED)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def ring_digest(ring: Any) -> str:
    """Return what tells a ring ``(K, 2)`` from others, to a hundredth of a pixel."""
    points = np.round(np.asarray(ring, float), _DECIMALS) + 0.0  # no negative zero
    return hashlib.sha256(points.tobytes()).hexdigest()[:_DIGITS]


def crossing(ring: np.ndarray) -> tuple[int, int] | None:
    """Return two edges of a polygon ``(K, 2)`` that cross, by their first corner; None if none do.

    Edges that only touch do not cross.
    """
    start, end = ring, np.roll(ring, -1, axis=0)
    for first in range(0, len(ring), _AT_ONCE):
        a, b = (points[first : first + _AT_ONCE, None] for points in (start, end))
        across = _side(a, b, start) * _side(a, b, end) < 0
        across &= _side(start, end, a) * _side(start, end, b) < 0
        found = np.argwhere(across)
        if len(found):
            return first + int(found[0][0]), int(found[0][1])
    return None


def _side(a: np.ndarray, b: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Return on which side of the line from a to b points lie: -1, 0 or 1."""
    ahead, off = b - a, point - a
    return np.sign(ahead[..., 0] * off[..., 1] - ahead[..., 1] * off[..., 0])


def ring_of(points: Any, place: str) -> np.ndarray:
    """Return points of a file as a ring.

    Raises:
        ValueError: They are no list of pairs of numbers.
    """
    try:
        ring = np.array(points, float)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{place}.points is {points!r:.40}; expected [[x, y], ...]') from error
    if ring.ndim != 2 or ring.shape[1] != 2 or not (np.abs(ring) < FARTHEST).all():
        raise ValueError(f'{place}.points is {points!r:.40}; expected [[x, y], ...] in pixels')
    return ring


def rectangle(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Return the corners ``(4, 2)`` of a box, clockwise on the screen."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)


def ring_around(centre: Any, rx: float, ry: float) -> np.ndarray:
    """Return an upright ellipse about a centre x, y as 128 corners, ``(128, 2)``."""
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * [rx, ry] + centre


def check_size(width: int, height: int, place: str) -> None:
    """Refuse a size that no image has, before anything is made of that size.

    Raises:
        ValueError: With the place.
    """
    if width * height > MOST_PIXELS:
        raise ValueError(f'{place} is of {width} x {height} px; at most {MOST_PIXELS} px are read')


def check_ring(ring: np.ndarray, place: str, most: Sequence[int]) -> None:
    """Refuse a polygon that has no inside, or more than one: it crosses itself.

    Args:
        ring: Corners ``(K, 2)``, x, y in pixels.
        place: Where it stands.
        most: Width and height of the image in pixels.

    Raises:
        ValueError: With the place, and what to do.
    """
    if len(ring) < FEWEST:
        raise ValueError(f'{place} has {len(ring)} points; a polygon has at least {FEWEST}')
    if (ring.max(axis=0) <= 0).any() or (ring.min(axis=0) >= most).any():
        raise ValueError(f'{place} lies outside the image of {most[0]} x {most[1]} px')
    if edges := crossing(ring):
        x, y = ring[edges[0]]
        raise ValueError(
            f'{place} crosses itself (the edges from points {edges[0]} and {edges[1]}, near '
            f'{x:g}, {y:g}); draw it so that no edges cross'
        )
