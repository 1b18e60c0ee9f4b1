"""Filling polygons with sub-pixel corners, and how much of each pixel they cover.

Coordinates are continuous pixels, x right and y down: the first pixel covers 0 to 1.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from samrs_mm.drawn.outlines import Part

SHIFT = 4
"""OpenCV's sub-pixel bits."""
_FINE = 4  # samples of a pixel along each side
_FULL = 15 * _FINE**2  # so that the mean over a pixel's samples is a whole number

Value = float | Sequence[float]


def fixed(points: np.ndarray) -> np.ndarray:
    """Return continuous points ``(N, 2)`` as OpenCV's, int32 with ``SHIFT`` sub-pixel bits."""
    return np.rint((points - 0.5) * 2**SHIFT).astype(np.int32)


def fill(image: np.ndarray, points: np.ndarray, value: Value, line: int = 0) -> None:
    """Fill a polygon of ``fixed`` points, or draw them as an open line of a width in pixels.

    OpenCV's polygons reach about half a pixel too far on each side, so draw finer than you show.
    """
    if line:
        cv2.polylines(image, [points], False, value, line, shift=SHIFT)
    else:
        cv2.fillPoly(image, [points], value, cv2.LINE_8, SHIFT)


def coverage(parts: Sequence[Part], x: int, y: int, width: int, height: int) -> np.ndarray:
    """Return which fraction of each pixel of a window the union of parts covers.

    Parts are in pixels of the picture, as is the window's top left corner x, y. The result is
    ``(height, width)`` float32.
    """
    fine = np.zeros((height * _FINE, width * _FINE), np.uint8)
    for part in parts:
        points = fixed((part.points - (x, y)) * _FINE)
        fill(fine, points, _FULL, round(part.line * _FINE))
    mean = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return mean.astype(np.float32) / _FULL
