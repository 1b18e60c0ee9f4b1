"""Boxes made from masks: as tight as can be, or as loose as people draw them."""

import cv2
import numpy as np


def box_of_mask(mask: np.ndarray, oriented: bool) -> np.ndarray:
    """Return the corners ``(4, 2)`` x, y of the box around a mask's pixels, their far edges too.

    Args:
        mask: ``(H, W)`` bool with a pixel at least; corners are in its pixels.
        oriented: The rectangle of least area instead of the upright one.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not oriented:
        x0, y0, x1, y1 = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64)
    part = mask[rows]
    first, last = part.argmax(axis=1), mask.shape[1] - part[:, ::-1].argmax(axis=1)
    ends = np.concatenate([np.stack([x, rows + k], 1) for x in (first, last) for k in (0, 1)])
    return cv2.boxPoints(cv2.minAreaRect(ends.astype(np.float32))).astype(np.float64)


def loosened(corners: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return a box whose sides are moved outwards.

    Args:
        corners: ``(4, 2)`` in order around the box.
        moves: ``(4,)``, as shares of the box's extent: of the sides at the first corner along the
            first edge and along the last, then of the opposite sides; inwards where negative.
    """
    along, across = corners[1] - corners[0], corners[3] - corners[0]
    low_x, low_y, high_x, high_y = moves
    return np.stack([
        corners[0] - along * low_x - across * low_y,
        corners[1] + along * high_x - across * low_y,
        corners[2] + along * high_x + across * high_y,
        corners[3] - along * low_x + across * high_y,
    ])  # fmt: skip
