"""Where the windows of a scene lie, and which part of each is used."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Axis:
    """Windows along one side of a scene, as mmsegmentation slides them and as tiles are cut.

    The last window is shifted back to the end. A scene shorter than the window has one window of
    its own length.

    Args:
        side: Length of the scene in pixels, with the padding that the network asks for.
        window: Length of a window in pixels.
        stride: Distance between windows in pixels, from 1 to ``window``.
    """

    side: int
    window: int
    stride: int

    @property
    def length(self) -> int:
        """Length of each window."""
        return min(self.window, self.side)

    @property
    def starts(self) -> list[int]:
        """First pixel of each window, ascending."""
        last = self.side - self.length
        return [*range(0, last, self.stride), last]

    @property
    def owned(self) -> list[tuple[int, int]]:
        """Pixels taken from each window, as ``(first, last + 1)``: every pixel from one window.

        Neighbours are cut in the middle of their overlap. So with an overlap of ``window - stride``
        pixels a pixel is taken from a window that reaches at least half as far beyond it, to both
        sides, or to the end of the scene.
        """
        starts = self.starts
        cuts = [(one + other + self.length) // 2 for one, other in pairwise(starts)]
        return list(zip([0, *cuts], [*cuts, self.side], strict=True))

    @property
    def counts(self) -> np.ndarray:
        """Number of windows over each pixel, ``(side,)`` float32."""
        counts = np.zeros(self.side, np.float32)
        for start in self.starts:
            counts[start : start + self.length] += 1
        return counts
