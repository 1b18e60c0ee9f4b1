"""Lines, crosses and fills that are seen on any ground, and the colours they are drawn in."""

import cv2
import numpy as np

from samrs_mm.formats.annotated import records

Colour = tuple[int, int, int]

# Okabe and Ito's colours: told apart with any colour vision; line styles tell the same twice.
SKY, ORANGE, YELLOW = (86, 180, 233), (230, 159, 0), (240, 228, 66)
VERMILION, PURPLE = (213, 94, 0), (204, 121, 167)

STATUS_COLOURS: dict[str, Colour] = {
    records.KEPT: SKY,
    records.FILTERED: VERMILION,
    records.EMPTY: ORANGE,
    records.OUTSIDE: PURPLE,
    records.DEGENERATE: YELLOW,
    records.FAILED: (255, 255, 255),
}
"""Colour of a box by what became of it; all but kept ones are dashed."""

_DIM = 70
_FAR = 2.0**14  # OpenCV counts in 16 bits when it draws sub-pixel lines


def brightness(colour: Colour) -> float:
    """Return how bright a colour looks, in [0, 255]."""
    return float(np.dot(colour, (0.299, 0.587, 0.114)))


def outline_colour(colour: Colour) -> Colour:
    """Return a colour to outline areas with: white for those that vanish on a photo."""
    return colour if brightness(colour) > _DIM else (255, 255, 255)


def whole(points: np.ndarray) -> np.ndarray:
    """Return finite points ``(..., 2)`` as whole pixels that OpenCV can draw, int32."""
    return np.rint(np.clip(points, -_FAR, _FAR)).astype(np.int32)


def dashes(
    picture: np.ndarray,
    corners: np.ndarray,
    colour: Colour,
    dashed: bool = False,
    fine: bool = False,
) -> None:
    """Draw a closed polygon ``(K, 2)`` in place, with a dark halo.

    Args:
        picture: ``(H, W, 3)`` uint8 RGB.
        corners: x, y in pixels of the picture; one that isn't finite draws nothing.
        colour: RGB.
        dashed: Broken line.
        fine: Thin and without halo, for crowds of small objects.
    """
    if not np.isfinite(corners).all():
        return
    corners = np.clip(corners, -_FAR, _FAR)
    parts = _broken(corners) if dashed else [np.concatenate([corners, corners[:1]])]
    lines = [whole(part) for part in parts]
    if not fine:
        cv2.polylines(picture, lines, False, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.polylines(picture, lines, False, colour, 1 if fine else 2, cv2.LINE_AA)


def _broken(corners: np.ndarray, on: float = 8, off: float = 6) -> list[np.ndarray]:
    """Return the dashes of a closed polygon."""
    parts = []
    for start, end in zip(corners, np.roll(corners, -1, 0), strict=True):
        length = float(np.hypot(*(end - start)))
        count = max(round(length / (on + off)), 1)
        along = (end - start) / count
        share = on / (on + off)
        parts += [np.stack([start + along * k, start + along * (k + share)]) for k in range(count)]
    return parts


def cross(picture: np.ndarray, point: np.ndarray, colour: Colour, reach: int = 6) -> None:
    """Draw an upright cross at a point ``(2,)``, in place, with a dark halo."""
    if not np.isfinite(point).all():
        return
    x, y = whole(point).tolist()
    for tint, width, more in ((0, 0, 0), 4, 1), (colour, 2, 0):
        length = reach + more
        cv2.line(picture, (x - length, y), (x + length, y), tint, width)
        cv2.line(picture, (x, y - length), (x, y + length), tint, width)


def hatch(picture: np.ndarray, corners: np.ndarray, colour: Colour, share: float = 0.3) -> None:
    """Hatch a polygon ``(K, 2)`` in place: slanting lines on a light tint."""
    if not np.isfinite(corners).all():
        return
    inside = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(inside, [whole(corners)], 1)
    y, x = np.nonzero(inside)
    tint(picture, (y, x), colour, share)
    lined = (x + y) % 8 < 2
    picture[y[lined], x[lined]] = colour


def tint(
    picture: np.ndarray,
    where: np.ndarray | tuple[np.ndarray, ...],
    colour: Colour | np.ndarray,
    share: float = 0.45,
) -> None:
    """Mix a colour, or one a pixel, into the pixels that an index picks, in place."""
    mixed = (1 - share) * picture[where] + share * np.asarray(colour, float)
    picture[where] = mixed.astype(np.uint8)
