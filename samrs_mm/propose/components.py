"""Regions of a label map as boxes with masks."""

from collections.abc import Collection

import cv2
import numpy as np

from samrs_mm.core.mask_boxes import box_of_mask
from samrs_mm.core.masks import encode_window
from samrs_mm.propose.proposals import Proposals


def components(
    labels: np.ndarray,
    confidence: np.ndarray,
    classes: Collection[int],
    min_area: int = 1,
) -> Proposals:
    """Return the 8-connected regions of each class with the smallest rotated box around them.

    Args:
        labels: Class indices ``(H, W)`` uint8.
        confidence: Of each pixel, how sure its class is ``(H, W)``; a region's score is the mean
            over its pixels.
        classes: Class indices to look at.
        min_area: Least area in pixels.
    """
    found: list[tuple[np.ndarray, float, int, dict]] = []
    for label in sorted(classes):
        inside = (labels == label).view(np.uint8)
        count, numbers, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
        for number in range(1, count):
            x, y, width, height, area = stats[number].tolist()
            if area < min_area:
                continue
            window = np.s_[y : y + height, x : x + width]
            mask = numbers[window] == number
            corners = box_of_mask(mask, oriented=True) + np.array([x, y])
            score = float(confidence[window][mask].mean())
            found.append((corners, score, label, encode_window(mask, y, x, *labels.shape)))
    if not found:
        return Proposals.empty()
    polygons, scores, names, masks = zip(*found, strict=True)
    return Proposals(
        np.array(polygons), np.array(scores), np.array(names, np.int64), True, list(masks)
    )
