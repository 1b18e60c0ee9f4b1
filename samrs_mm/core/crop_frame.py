"""The square crop around a box: its place in the picture, its pixels, and the way back."""

from dataclasses import dataclass

import cv2
import numpy as np

_AVERAGE_FROM = 1.3
"""From this factor on a crop that shrinks is averaged; below, bilinear sampling misses nothing."""
_MOST_SAMPLES = 16
_LONGEST = 32766
"""OpenCV warps no picture, nor into one, of a longer side."""


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

    def shrink(self, side: int | tuple[int, int]) -> np.ndarray:
        """Return how many picture pixels a pixel of a crop is long, ``(2,)`` along its axes.

        ``side`` is the crop's, or its width and height.
        """
        return 2 * self.reach / side

    def to_crop(self, side: int | tuple[int, int]) -> np.ndarray:
        """Return the map ``(2, 3)`` from points of the picture to those of a crop.

        ``side`` is the crop's, or its width and height.
        """
        turn = self.axes / self.shrink(side)[:, None]
        return np.hstack([turn, (np.divide(side, 2) - turn @ self.centre)[:, None]])

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
        one of OpenCV's. Of a picture of bool a pixel is True where nothing else is mixed in.
        """
        image, matrix = self._reached(image, self.to_crop(side))
        if image.dtype == bool:
            return self._cut(image.view(np.uint8) * np.uint8(255), matrix, side, border) == 255
        return self._cut(image, matrix, side, border)

    def _cut(self, image: np.ndarray, matrix: np.ndarray, side: int, border: int) -> np.ndarray:
        shrink = self.shrink(side)
        if shrink.max() <= _AVERAGE_FROM:
            return _warp(image, matrix, (side, side), border)
        samples = np.minimum(np.ceil(shrink), _MOST_SAMPLES).astype(int)
        fine = _warp(image, samples[:, None] * matrix, tuple((side * samples).tolist()), border)
        return cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA)

    def _reached(self, image: np.ndarray, to_crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the crop sees of a picture, and the map from there to the crop.

        Of a part that is longer than OpenCV warps, every second pixel, or third, ... is left.
        """
        spread = np.abs(self.axes * self.reach[:, None]).sum(axis=0) + 2
        size = np.array([image.shape[1], image.shape[0]])
        low = np.clip(np.floor(self.centre - spread), 0, size - 1).astype(int)
        high = np.clip(np.ceil(self.centre + spread), low + 1, size).astype(int)
        step = -(-(high - low) // _LONGEST)
        part = image[low[1] : high[1] : step[1], low[0] : high[0] : step[0]]
        shift = to_crop[:, 2] + to_crop[:, :2] @ low
        return part, np.hstack([to_crop[:, :2] * step, shift[:, None]])

    def crosses(self, height: int, width: int) -> bool:
        """Return whether the crop reaches beyond a picture."""
        spread = np.abs(self.axes * self.reach[:, None]).sum(axis=0)
        low, high = self.centre - spread, self.centre + spread
        return bool((low < 0).any() or (high > [width, height]).any())

    def inside(self, height: int, width: int, side: int) -> np.ndarray:
        """Return which pixels of the crop have their middle in a picture, ``(side, side)`` bool."""
        steps = (np.arange(side) + 0.5) * 2 / side - 1
        x, y = (
            self.centre[i]
            + steps * self.reach[0] * self.axes[0, i]
            + (steps * self.reach[1] * self.axes[1, i])[:, None]
            for i in range(2)
        )
        return (x >= 0) & (y >= 0) & (x <= width) & (y <= height)

    def seen_from(
        self, values: np.ndarray, other: 'CropFrame', size: tuple[int, int]
    ) -> np.ndarray:
        """Return this crop's values ``(h, w)`` at the pixels of another one.

        ``size`` is the other's width and height. Bilinear; beyond this crop its rim goes on.
        """
        back = np.vstack([other.to_crop(size), [0, 0, 1]])
        here = np.vstack([self.to_crop((values.shape[1], values.shape[0])), [0, 0, 1]])
        matrix = (here @ np.linalg.inv(back))[:2]
        return _warp(values, matrix, size, cv2.BORDER_REPLICATE, cv2.WARP_INVERSE_MAP)

    def paste(self, values: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
        """Return a crop's values ``(h, w)`` at the pixels of a window of the picture.

        Bilinear; 0 beyond the crop. The window is at most 32,766 px long.
        """
        rows, columns = window
        height, width = rows.stop - rows.start, columns.stop - columns.start
        matrix = self.to_crop((values.shape[1], values.shape[0]))
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
