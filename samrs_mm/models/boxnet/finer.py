"""A second look at large objects: windows along the border of a mask that was made too small."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.core.crop_sample import CropSample
from samrs_mm.models.boxnet.asked import Asked, Picture

SHRUNK_FROM = 1.5
"""A crop that shrinks more, along either axis, is looked at again."""

_MOST_FINER = 6.0
_COARSE_WEIGHT = 0.05
_BAND = 5
"""Pixels of the finer crop that belong to the border, across it."""

Network = Callable[[Sequence[CropSample]], tuple[np.ndarray, np.ndarray]]
"""Crops of one size to their masks' logits ``(N, S, S)`` float32 and scores ``(N,)``."""


@dataclass(frozen=True)
class FinerCrop:
    """A crop of up to six times the resolution, of any width and height, with square pixels.

    Args:
        frame: Where it lies.
        size: Its width and height in pixels.
        pixel: How long its pixels are, in pixels of the picture.
        starts: First columns, and first rows, of the windows that cover it.
    """

    frame: CropFrame
    size: tuple[int, int]
    pixel: float
    starts: tuple[np.ndarray, np.ndarray]

    @classmethod
    def over(cls, frame: CropFrame, side: int) -> 'FinerCrop':
        """Return the finer crop of a frame whose crop has ``side``, as its windows have."""
        pixel = max(1.0, float(frame.shrink(side).max()) / _MOST_FINER)
        width, height = (max(side, int(np.ceil(2 * reach / pixel))) for reach in frame.reach)
        reach = np.array([width, height]) * pixel / 2
        starts = _starts(width, side), _starts(height, side)
        return cls(CropFrame(frame.centre, frame.axes, reach), (width, height), pixel, starts)

    def at_border(self, mask: np.ndarray, side: int) -> list[tuple[int, int]]:
        """Return x and y of the windows whose middle part meets the border of a mask."""
        band = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_BAND, _BAND))
        border = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_GRADIENT, band)
        columns, rows = (_middles(each, side) for each in self.starts)
        return [
            (int(x), int(y))
            for y, top, bottom in zip(self.starts[1], rows, rows[1:], strict=False)
            for x, left, right in zip(self.starts[0], columns, columns[1:], strict=False)
            if border[top:bottom, left:right].any()
        ]

    def window(self, asked: Asked, x: int, y: int, chances: np.ndarray) -> Asked:
        """Return what to ask in a window at ``x, y``, with the mask so far ``(side, side)``."""
        side = chances.shape[0]
        middle = np.array([x, y]) + side / 2 - np.array(self.size) / 2
        away = middle * self.pixel
        frame = CropFrame(
            self.frame.centre + away @ self.frame.axes,
            self.frame.axes,
            np.full(2, side * self.pixel / 2),
        )
        return Asked(
            frame, asked.half, asked.oriented, asked.centre - away, asked.clicks, previous=chances
        )


def look_again(
    network: Network, picture: Picture, asked: Asked, logits: np.ndarray
) -> tuple[CropFrame, np.ndarray]:
    """Make a mask finer along its border.

    Args:
        network: Makes the masks of windows.
        picture: The whole picture.
        asked: What was asked.
        logits: ``(S, S)`` float32, the answer.

    Returns:
        The finer crop's frame, and the logits ``(h, w)`` float32 in it.
    """
    side = logits.shape[0]
    finer = FinerCrop.over(asked.frame, side)
    coarse = asked.frame.seen_from(logits, finer.frame, finer.size)
    places = finer.at_border(coarse > 0, side)
    if not places:
        return finer.frame, coarse
    chances = 1 / (1 + np.exp(-coarse))
    samples = [
        finer.window(asked, x, y, chances[y : y + side, x : x + side]).sample(picture, side)
        for x, y in places
    ]
    tent = np.minimum(np.arange(side) + 0.5, side - 0.5 - np.arange(side)) * 2 / side
    weight = np.minimum(tent, tent[:, None]).astype(np.float32)
    total = coarse * np.float32(_COARSE_WEIGHT)
    weights = np.full_like(total, _COARSE_WEIGHT)
    for (x, y), found in zip(places, network(samples)[0], strict=True):
        total[y : y + side, x : x + side] += weight * found
        weights[y : y + side, x : x + side] += weight
    return finer.frame, total / weights


def _starts(length: int, side: int) -> np.ndarray:
    """Return where windows start that cover a length and overlap by a third at least."""
    count = int(np.ceil((length - side) / (side - side // 3))) + 1
    return np.round(np.linspace(0, length - side, count)).astype(int)


def _middles(starts: np.ndarray, side: int) -> np.ndarray:
    """Return the bounds of the windows' middle parts, which share the length among them."""
    between = (starts[:-1] + starts[1:] + side) // 2
    return np.concatenate([[0], between, [starts[-1] + side]])
