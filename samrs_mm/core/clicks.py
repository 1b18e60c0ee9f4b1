"""Clicks on an object and beside it, and the mask so far: what a mask is corrected by."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from samrs_mm.core import boxes as box_ops


@dataclass(frozen=True)
class ClickedMask:
    """The answer of a segmentor to clicks, and what the next step starts from.

    Args:
        mask: ``(H, W)`` bool, of the image's size.
        score: Predicted IoU in [0, 1]; None where the segmentor has none.
        stability: In [0, 1]; None where the segmentor has none.
        logits: What the segmentor goes on from beside the mask, its own matter; None for nothing.
    """

    mask: np.ndarray
    score: float | None = None
    stability: float | None = None
    logits: Any = None


def checked_clicks(clicks: Any) -> np.ndarray:
    """Return clicks ``(N, 3)`` float64: x, y in pixels, and 1 for the object or 0.

    Raises:
        ValueError: They are none.
    """
    problem = f'clicks: rows of x, y and 1 or 0 are needed, not {clicks!r}'
    try:
        found = np.asarray(clicks, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(problem) from error
    found = found.reshape(0, 3) if found.size == 0 else found
    if found.ndim != 2 or found.shape[1] != 3 or not np.isfinite(found).all():
        raise ValueError(problem)
    if not np.isin(found[:, 2], (0, 1)).all():
        raise ValueError(f'clicks: 1 for the object or 0, not {found[:, 2].tolist()}')
    return found


def checked_corners(box: Any) -> np.ndarray:
    """Return the corners ``(4, 2)`` of a box: of x0, y0, x1, y1, or of four corners.

    Raises:
        ValueError: It is none, or empty.
    """
    problem = f'box: x0, y0, x1, y1 or four corners are needed, not {box!r:.80}'
    try:
        found = np.asarray(box, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(problem) from error
    if found.shape not in ((4,), (4, 2)) or not np.isfinite(found).all():
        raise ValueError(problem)
    if found.shape == (4,) and not (found[:2] < found[2:]).all():
        raise ValueError(f'box: {found.tolist()} is empty; needed: x0 < x1 and y0 < y1')
    return found if found.shape == (4, 2) else box_ops.corners(found[None])[0]


def check_inside(size: tuple[int, int], clicks: np.ndarray, corners: np.ndarray | None) -> None:
    """Refuse clicks beyond an image of that height and width, and a box without a pixel of it.

    Raises:
        ValueError: Says which.
    """
    most = np.array(size[::-1])
    beyond = ((clicks[:, :2] < 0) | (clicks[:, :2] > most)).any(axis=1)
    place = f'the {most[0]} x {most[1]} px image'
    if beyond.any():
        raise ValueError(f'clicks: {clicks[beyond][0, :2].tolist()} (x, y) lies outside {place}')
    if corners is None:
        return
    if (corners.max(axis=0) <= 0).any() or (corners.min(axis=0) >= most).any():
        raise ValueError(f'box: {corners.tolist()} (x, y) lies outside {place}')


def checked_mask(size: tuple[int, int], mask: Any) -> np.ndarray:
    """Return the mask so far, ``(H, W)`` bool.

    Raises:
        ValueError: It is of another size or type.
    """
    found = np.asarray(mask)
    if found.shape != size or found.dtype != bool:
        sides = ' x '.join(map(str, found.shape))
        raise ValueError(f'previous: {sides} {found.dtype}, not {size} bool as the image')
    return found


def box_of_mask(mask: np.ndarray) -> np.ndarray | None:
    """Return x0, y0, x1, y1 of a mask ``(H, W)`` bool in pixels; None of an empty one."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return np.array([x, y, x + width, y + height], float) if width else None


def box_around(box: np.ndarray | None, clicks: np.ndarray) -> np.ndarray | None:
    """Return x0, y0, x1, y1 around a mask's box and the clicks on the object; None of no box."""
    if box is None:
        return None
    points = np.concatenate([clicks[clicks[:, 2] > 0, :2], box.reshape(2, 2)])
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def refuse_nothing(clicks: np.ndarray, box: np.ndarray | None) -> None:
    """Refuse to look for an object that nothing tells of.

    Raises:
        ValueError: There is neither a box, a mask's box included, nor a click on the object.
    """
    if box is None and not (clicks[:, 2] > 0).any():
        raise ValueError('clicks: with no box and no mask one on the object is needed')
