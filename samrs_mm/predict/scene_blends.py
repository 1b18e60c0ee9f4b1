"""How overlapping windows become the rows of a scene, in memory for a strip of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.tiling import Axis

STEPS = 250
"""Probabilities are kept as whole numbers from 0 to this; ``UNLABELLED`` where there are none."""

_ROWS = 64


@dataclass
class Strip:
    """Finished rows of a scene.

    Args:
        top: First row.
        labels: ``(rows, W)`` uint8 class indices.
        probabilities: ``(K, rows, W)`` uint8 in 0..``STEPS``, or None.
    """

    top: int
    labels: np.ndarray
    probabilities: np.ndarray | None = None


class Scores(Protocol):
    """What reads the scores of a network, which may lie on a GPU; K classes come first."""

    num_classes: int

    def labels(self, scores: Any) -> np.ndarray:
        """Return the classes of the highest of scores ``(K, ...)``, uint8."""

    def steps(self, scores: Any) -> np.ndarray:
        """Return the probabilities of scores ``(K, ...)`` in whole 1/``STEPS``, uint8."""

    def array(self, scores: Any) -> np.ndarray:
        """Return scores as float32 of numpy, whose means the others read as well."""


class Blend:
    """Takes the scores of windows row by row, and yields what is finished.

    ``size`` is ``(H, W)`` of the scene without padding; ``reader`` reads the scores.
    """

    def __init__(
        self,
        down: Axis,
        across: Axis,
        size: tuple[int, int],
        reader: Scores,
        probabilities: bool = False,
    ):
        self.down, self.across, self.reader = down, across, reader
        self.height, self.width = size
        self._probabilities = probabilities

    def add(self, row: int, column: int, scores: Any) -> None:
        """Take the scores ``(K, h, w)`` of a window; those of a row come before its ``finish``."""
        raise NotImplementedError

    def finish(self, row: int) -> Iterator[Strip]:
        """Yield the rows that no later window touches, from the top."""
        raise NotImplementedError

    def _empty(self, top: int, rows: int) -> Strip:
        shape = (rows, self.width)
        strip = Strip(top, np.full(shape, UNLABELLED, np.uint8))
        if self._probabilities:
            classes = self.reader.num_classes
            strip.probabilities = np.full((classes, *shape), UNLABELLED, np.uint8)
        return strip

    def _fill(self, strip: Strip, columns: slice, scores: Any) -> None:
        """Write scores ``(K, rows, columns)`` as labels and probabilities."""
        strip.labels[:, columns] = self.reader.labels(scores)
        if strip.probabilities is not None:
            strip.probabilities[:, :, columns] = self.reader.steps(scores)


class CentreBlend(Blend):
    """Every pixel is of the window in whose middle it lies (``Axis.owned``)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._strip = self._start_strip(0)

    def _start_strip(self, row: int) -> Strip:
        top, bottom = self.down.owned[row]
        return self._empty(top, max(min(bottom, self.height) - top, 0))

    def add(self, row: int, column: int, scores: Any) -> None:
        """Keep the middle of a window."""
        y, x = self.down.starts[row], self.across.starts[column]
        top, rows = self._strip.top - y, len(self._strip.labels)
        left, right = self.across.owned[column]
        right = min(right, self.width)
        if rows and left < right:
            part = scores[:, top : top + rows, left - x : right - x]
            self._fill(self._strip, slice(left, right), part)

    def finish(self, row: int) -> Iterator[Strip]:
        """Yield the middle of this row of windows."""
        strip = self._strip
        if row + 1 < len(self.down.starts):
            self._strip = self._start_strip(row + 1)
        if len(strip.labels):
            yield strip


class AverageBlend(Blend):
    """Every pixel is the mean of all windows over it, as in mmsegmentation's slide_inference."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._sums = np.zeros((self.reader.num_classes, self.down.length, self.width), np.float32)
        self._counts = [axis.counts for axis in (self.down, self.across)]

    def add(self, row: int, column: int, scores: Any) -> None:
        """Add a window to the sums."""
        x = self.across.starts[column]
        right = min(x + self.across.length, self.width)
        self._sums[:, :, x:right] += self.reader.array(scores[..., : right - x])

    def finish(self, row: int) -> Iterator[Strip]:
        """Yield the rows above the next row of windows, and move the sums up."""
        start = self.down.starts[row]
        later = [*self.down.starts, self.down.side][row + 1]
        for top in range(start, min(later, self.height), _ROWS):
            rows = min(_ROWS, later - top, self.height - top)
            counts = self._counts[0][top : top + rows, None] * self._counts[1][: self.width]
            strip = self._empty(top, rows)
            sums = self._sums[:, top - start : top - start + rows]
            self._fill(strip, slice(None), sums / counts)
            yield strip
        done = later - start
        for plane in self._sums:
            plane[:-done] = plane[done:].copy()
            plane[-done:] = 0
