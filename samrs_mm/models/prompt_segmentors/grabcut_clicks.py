"""What clicks, a box and the mask so far say to GrabCut: what is sure, and what is likely."""

from typing import Any

import cv2
import numpy as np

from samrs_mm.core.clicks import (
    ClickedMask,
    box_around,
    box_of_mask,
    check_inside,
    checked_clicks,
    checked_corners,
    checked_mask,
    refuse_nothing,
)
from samrs_mm.core.masks import fill_polygon

LEAST_REACH = 32.0
"""How far an object is looked for around clicks without a box or a mask, in pixels at least."""

REACHES = 1, 2, 4, 8
"""Times of that, or of what several clicks span, among which the strongest edge decides."""

STRONGER = 1.3
"""How much stronger the edge of what a longer reach finds has to be: less is noise."""

CLICK_SIDE, SEARCH_SIDE = 256, 128
"""Longest sides in pixels of crops: that clicks are settled on (some 0.1 s), and that are tried."""

_DISC = 0.03
_NEAR = 0.5


def labels_of(
    size: tuple[int, int], clicks: Any, box: Any, previous: ClickedMask | np.ndarray | None,
    core: float, times: int = 1,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return what GrabCut is to take for sure and for likely, and the object's box so far.

    Beyond the box is background for sure where one is given, else likely. Clicks are discs of what
    is sure, of a few hundredths of the box's longer side.

    Args:
        size: Height and width of the image in pixels.
        clicks: See ``GrabCutSegmentor.click``, as for the others.
        box: x0, y0, x1, y1 or corners; None without one.
        previous: The mask so far; None without one.
        core: Scale of the part of a box that is the object for sure, where nothing else says it.
        times: One of ``REACHES``, where there are clicks alone.

    Returns:
        ``(H, W)`` uint8 by OpenCV's ``GC_*``, and x0, y0, x1, y1 in pixels.

    Raises:
        ValueError: Nothing is asked, or something can't be.
    """
    clicks, corners = checked_clicks(clicks), None if box is None else checked_corners(box)
    check_inside(size, clicks, corners)
    labels = np.full(size, cv2.GC_PR_BGD, np.uint8)
    around = None
    if previous is not None:
        mask = previous.mask if isinstance(previous, ClickedMask) else previous
        mask = checked_mask(size, mask)
        labels[mask] = cv2.GC_PR_FGD
        around = box_around(box_of_mask(mask), clicks)
    if corners is not None:
        low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
        x0, y0, x1, y1 = _clipped(np.concatenate([low, high]), size)
        shape, shown = (y1 - y0, x1 - x0), corners - [x0, y0]
        part = labels[y0:y1, x0:x1].copy()
        inside = fill_polygon(shown, *shape)
        if previous is None:
            part[inside] = cv2.GC_PR_FGD
            if not (clicks[:, 2] > 0).any():
                middle = shown.mean(axis=0)
                part[fill_polygon(middle + (shown - middle) * core, *shape)] = cv2.GC_FGD
        part[~inside] = cv2.GC_BGD
        labels[:] = cv2.GC_BGD
        labels[y0:y1, x0:x1] = part
        around = np.concatenate([corners.min(0), corners.max(0)])
    refuse_nothing(clicks, around)
    if around is None:
        objects = clicks[clicks[:, 2] > 0, :2]
        low, high = objects.min(axis=0), objects.max(axis=0)
        reach = times * max(LEAST_REACH, (high - low).max())
        around = np.concatenate([low - reach, high + reach])
        x0, y0, x1, y1 = _clipped(around + np.array([1, 1, -1, -1]) * _NEAR * reach, size)
        labels[y0:y1, x0:x1] = cv2.GC_PR_FGD
    radius = max(1, round(_DISC * (around[2:] - around[:2]).max()))
    for x, y, on in clicks:
        sure = cv2.GC_FGD if on else cv2.GC_BGD
        cv2.circle(labels, (int(x), int(y)), radius, int(sure), -1)
    return labels, around


def _clipped(box: np.ndarray, size: tuple[int, int]) -> list[int]:
    return np.clip(np.rint(box), 0, [*size[::-1]] * 2).astype(int).tolist()


def clicked_parts(mask: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    """Return the parts of a mask ``(H, W)`` bool that clicks on the object lie in."""
    _, parts = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    height, width = mask.shape
    objects = clicks[clicks[:, 2] > 0, :2].astype(int).clip(0, [width - 1, height - 1])
    found = set(parts[objects[:, 1], objects[:, 0]].tolist()) - {0}
    return np.isin(parts, list(found))


def edge_strength(image: np.ndarray, mask: np.ndarray) -> float:
    """Return how much an image ``(h, w, 3)`` uint8 changes along the border of a mask ``(h, w)``.

    It is the mean length of the colours' gradient, 0 where the mask is cut off by the image's edge.
    """
    part, kernel = mask.astype(np.uint8), np.ones((3, 3), np.uint8)
    inner = cv2.erode(part, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    border = cv2.dilate(part, kernel) != inner
    if not border.any():
        return 0.0
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    change = np.sqrt((across**2 + down**2).sum(axis=2))
    change[[0, -1]] = change[:, [0, -1]] = 0
    return float(change[border].mean())


def scaled_up(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a mask ``(h, w)`` uint8, 0 or 1, at a size (width, height) with smooth edges, bool."""
    shares = cv2.resize(mask * np.uint8(255), size, interpolation=cv2.INTER_LINEAR)
    return shares > 127
