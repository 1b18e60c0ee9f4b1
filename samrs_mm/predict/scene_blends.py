"""How overlapping windows become the rows of a scene, in memory for a strip of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

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


class Blend:
    """Takes the scores of windows row by row, and yields what is finished.

    ``size`` is ``(H, W)`` of the scene without padding. ``probabilities`` turns scores ``(K, ...)``
    of K classes into these; None leaves them out.
    """

    def __init__(
        self,
        down: Axis,
        across: Axis,
        size: tuple[int, int],
        num_classes: int,
        probabilities: Callable[[Tensor], Tensor] | None = None,
    ):
        self.down, self.across, self.num_classes = down, across, num_classes
        self.height, self.width = size
        self._probabilities = probabilities

    def add(self, row: int, column: int, scores: Tensor) -> None:
        """Take the scores ``(K, h, w)`` of a window; those of a row come before its ``finish``."""
        raise NotImplementedError

    def finish(self, row: int) -> Iterator[Strip]:
        """Yield the rows that no later window touches, from the top."""
        raise NotImplementedError

    def _empty(self, top: int, rows: int) -> Strip:
        shape = (rows, self.width)
        strip = Strip(top, np.full(shape, UNLABELLED, np.uint8))
        if self._probabilities:
            strip.probabilities = np.full((self.num_classes, *shape), UNLABELLED, np.uint8)
        return strip

    def _fill(self, strip: Strip, columns: slice, scores: Tensor) -> None:
        """Write scores ``(K, rows, columns)`` as labels and probabilities."""
        strip.labels[:, columns] = scores.argmax(0).to(torch.uint8).cpu().numpy()
        if strip.probabilities is not None and self._probabilities:
            steps = self._probabilities(scores).mul(STEPS).round().to(torch.uint8)
            strip.probabilities[:, :, columns] = steps.cpu().numpy()


class CentreBlend(Blend):
    """Every pixel is of the window in whose middle it lies (``Axis.owned``)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._strip = self._start_strip(0)

    def _start_strip(self, row: int) -> Strip:
        top, bottom = self.down.owned[row]
        return self._empty(top, max(min(bottom, self.height) - top, 0))

    def add(self, row: int, column: int, scores: Tensor) -> None:
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
        self._sums = torch.zeros(self.num_classes, self.down.length, self.width)
        self._counts = [torch.from_numpy(axis.counts) for axis in (self.down, self.across)]

    def add(self, row: int, column: int, scores: Tensor) -> None:
        """Add a window to the sums."""
        x = self.across.starts[column]
        right = min(x + self.across.length, self.width)
        self._sums[:, :, x:right] += scores[..., : right - x].cpu()

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
            plane[:-done] = plane[done:].clone()
            plane[-done:] = 0
