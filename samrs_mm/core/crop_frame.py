"""The square crop around a box: its place in the picture, its pixels, and the way back."""

from dataclasses import dataclass

import cv2
import numpy as np

_AVERAGE_FROM = 1.3
"""From this factor on a crop that shrinks is averaged; below, bilinear sampling misses nothing."""
_MOST_SAMPLES = 16


@dataclass(frozen=True)
class CropFrame:
    """Where a square crop lies in a picture; turned with its box, stretched along its shorter side.

    Points are x, y in pixels of the picture, the first pixel covering 0 to 1.

    Args:
        centre: ``(2,)`` float64, the crop's middle.
        axes: ``(2, 2)`` float64, the unit vectors of the crop's x and y.
        reach: ``(2,)`` float64, half the crop's sides along its axes, more than 0.
    """

    centre: np.ndarray
    axes: np.ndarray
    reach: np.ndarray

    @classmethod
    def around(cls, corners: np.ndarray) -> tuple['CropFrame', np.ndarray]:
        """Return the frame around a box, and half the box's sides ``(2,)`` along its axes.

        The longer side lies along x, so that a long box is stretched, not shrunk, into the square.
        The margin is 6 % of that side, 22 % of the sides' geometric mean and a pixel, on each side.

        Args:
            corners: ``(4, 2)`` in order around the box; its sides may be 0. What is no rectangle
                is taken as the smallest one around it.
        """
        corners = _rectangle(np.asarray(corners, np.float64))
        sides = np.stack([corners[1] - corners[0], corners[3] - corners[0]])
        lengths = np.hypot(*sides.T)
        if lengths[1] > lengths[0]:
            sides, lengths = sides[::-1], lengths[::-1]
        along = sides[0] / lengths[0] if lengths[0] > 0 else np.array([1.0, 0.0])
        across = np.array([-along[1], along[0]])
        axes = np.stack([along, -across if sides[1] @ across < 0 else across])
        half = np.maximum(lengths, 1e-3) / 2
        margin = 0.12 * half[0] + 0.44 * np.sqrt(half.prod()) + 1
        return cls(corners.mean(axis=0), axes, half + margin), half

    def shrink(self, side: int) -> np.ndarray:
        """Return how many picture pixels a pixel of a crop of ``side`` is long, ``(2,)``."""
        return 2 * self.reach / side

    def to_crop(self, side: int) -> np.ndarray:
        """Return the map ``(2, 3)`` from points of the picture to those of a crop of ``side``."""
        turn = self.axes / self.shrink(side)[:, None]
        return np.hstack([turn, (side / 2 - turn @ self.centre)[:, None]])

    def window(self, height: int, width: int) -> tuple[slice, slice]:
        """Return the rows and columns of a picture that the crop touches; may be empty."""
        spread = np.abs(self.axes * self.reach[:, None]).sum(axis=0)
        size = np.array([width, height])
        x0, y0 = np.clip(np.floor(self.centre - spread), 0, size).astype(int).tolist()
        x1, y1 = np.clip(np.ceil(self.centre + spread), 0, size).astype(int).tolist()
        return slice(y0, y1), slice(x0, x1)

    def cut(self, image: np.ndarray, side: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
        """Return the crop ``(side, side[, C])`` of a picture, of the picture's type.

        Bilinear where it grows, averaged where it shrinks; beyond the picture ``border`` goes on,
        one of OpenCV's.
        """
        matrix, shrink = self.to_crop(side), self.shrink(side)
        if shrink.max() <= _AVERAGE_FROM:
            return _warp(image, matrix, (side, side), border)
        samples = np.minimum(np.ceil(shrink), _MOST_SAMPLES).astype(int)
        fine = _warp(image, samples[:, None] * matrix, tuple((side * samples).tolist()), border)
        return cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA)

    def paste(self, values: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
        """Return a crop's values ``(side, side)`` at the pixels of a window of the picture.

        Bilinear; 0 beyond the crop.
        """
        rows, columns = window
        height, width = rows.stop - rows.start, columns.stop - columns.start
        matrix = self.to_crop(values.shape[0])
        matrix[:, 2] += matrix[:, :2] @ [columns.start, rows.start]
        return _warp(values, matrix, (width, height), cv2.BORDER_CONSTANT, cv2.WARP_INVERSE_MAP)


def _rectangle(corners: np.ndarray) -> np.ndarray:
    """Return the corners ``(4, 2)`` of the smallest rectangle around four corners in order."""
    first, last = corners[1] - corners[0], corners[3] - corners[0]
    closed = np.abs(corners[0] + first + last - corners[2]).max()
    product = np.hypot(*first) * np.hypot(*last)
    if closed <= 1e-6 * max(1.0, np.abs(corners).max()) and abs(first @ last) <= 1e-3 * product:
        return corners
    return cv2.boxPoints(cv2.minAreaRect(corners.astype(np.float32))).astype(np.float64)


def _warp(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int, flags: int = 0
) -> np.ndarray:
    """Warp by a map of points whose first pixel covers 0 to 1; OpenCV's has its centre at 0."""
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR | flags, borderMode=border)
