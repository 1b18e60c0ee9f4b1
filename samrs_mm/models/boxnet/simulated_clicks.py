"""Clicks that a user would make on the errors of a mask.

Source: Sofiiuk et al. 2021, arXiv:2102.06583 (RITM), sections 3.1 and 3.4: the next click is at the
middle of the largest error, and the mask of the step before is part of the input.
"""

import cv2
import numpy as np

LEAST = 1.5
"""Distance in pixels of the crop from an error's middle to its border, below which nobody clicks:
it is as thin as the border of a mask is uncertain."""

_MIDDLE = 0.5


def next_click(
    mask: np.ndarray, target: np.ndarray, rng: np.random.Generator | None = None
) -> tuple[float, float, int] | None:
    """Return the next click on a mask; None where no error is worth one.

    Args:
        mask: ``(S, S)`` bool.
        target: ``(S, S)`` bool, the true mask.
        rng: Half of its clicks are off the middle, but well inside the error; None has all of them
            at the middle.

    Returns:
        x and y in pixels of the crop, the first covering 0 to 1, and 1 where the object was missed,
        0 where the mask leaks.
    """
    depths = [_depth(target & ~mask), _depth(mask & ~target)]
    missed = depths[0].max() >= depths[1].max()
    depth = depths[0] if missed else depths[1]
    deepest = float(depth.max())
    if deepest < LEAST:
        return None
    if rng is None or rng.random() < _MIDDLE:
        row, column = divmod(int(depth.argmax()), depth.shape[1])
    else:
        places = np.argwhere(depth >= deepest / 2)
        row, column = places[rng.integers(len(places))].tolist()
    return column + 0.5, row + 0.5, int(missed)


def _depth(region: np.ndarray) -> np.ndarray:
    """Return the distance of each pixel of a region to what is outside, the crop's rim too."""
    padded = np.pad(region.astype(np.uint8), 1)
    return cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
