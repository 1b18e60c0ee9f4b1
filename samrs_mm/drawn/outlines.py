"""Outlines of things seen from above: parts, and the curves that they are made of."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Part(NamedTuple):
    """A polygon or a line of one colour.

    Args:
        points: ``(N, 2)`` x, y.
        paint: RGB ``(3,)`` in [0, 255], or six hex digits of it, or the name of a palette or a
            material of the scene.
        solid: Whether it belongs to the silhouette, that is to the mask.
        tone: Factor of the brightness of a colour.
        line: Width in pixels if the points are those of an open line; 0 fills the polygon.
        opacity: In [0, 1].
    """

    points: np.ndarray
    paint: Any
    solid: bool = False
    tone: float = 1.0
    line: float = 0.0
    opacity: float = 1.0


def rectangle(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
    """Return corners ``(4, 2)``, clockwise from the front left."""
    return np.array([[x1, y0], [x1, y1], [x0, y1], [x0, y0]], float)


def block(length: float, width: float, x: float = 0, y: float = 0) -> np.ndarray:
    """Return a rectangle ``(4, 2)`` around a point."""
    return rectangle(x - length / 2, x + length / 2, y - width / 2, y + width / 2)


def oval(length: float, width: float, power: float = 2, count: int = 48) -> np.ndarray:
    """Return a superellipse ``(count, 2)``: an ellipse, or with a high power a rounded box."""
    around = turned([(1, 0)], np.arange(count) * 2 * np.pi / count)
    return np.sign(around) * np.abs(around) ** (2 / power) * (length / 2, width / 2)


def mirrored(half: Sequence[tuple[float, float]] | np.ndarray) -> np.ndarray:
    """Return an outline from its right half, head to tail, and the mirror image."""
    half = np.asarray(half, float)
    return np.concatenate([half, half[::-1] * (1, -1)])


def turned(points: Sequence | np.ndarray, angle: float | np.ndarray) -> np.ndarray:
    """Return points ``(N, 2)`` turned clockwise, as seen on the screen, by radians."""
    x, y = np.asarray(points, float).T
    return np.stack(
        [x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], 1
    )


def ribbon(path: Sequence | np.ndarray, width: float) -> np.ndarray:
    """Return the outline ``(2 N, 2)`` of a band of a width along an open path ``(N, 2)``."""
    path = np.asarray(path, float)
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    aside = along[:, ::-1] * (-width / 2, width / 2)
    return np.concatenate([path + aside, (path - aside)[::-1]])


def arc(radius: float, start: float, stop: float, count: int = 16) -> np.ndarray:
    """Return points ``(count, 2)`` of a circle around the origin, between two angles in radians."""
    return turned([(radius, 0)], np.linspace(start, stop, count))
