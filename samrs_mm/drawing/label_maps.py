"""Label maps as colours, and predictions beside labels."""

import cv2
import numpy as np

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.drawing.overlays import class_colour


def colour_labels(labels: np.ndarray) -> np.ndarray:
    """Return a label map ``(H, W)`` of class indices as ``(H, W, 3)`` uint8 RGB, 255 in black."""
    table = np.array([class_colour(index) for index in range(UNLABELLED)] + [(0, 0, 0)], np.uint8)
    return table[labels]


def beside(image: np.ndarray, labels: np.ndarray | None, prediction: np.ndarray) -> np.ndarray:
    """Return image, label map and prediction side by side.

    Where the label map says nothing the prediction is dimmed: it is neither right nor wrong there.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        labels: ``(H, W)`` class indices with 255 for unlabelled, or None without ground truth.
        prediction: ``(H, W)`` class indices.

    Returns:
        ``(H, 3 W, 3)`` uint8 RGB, or ``(H, 2 W, 3)`` without labels.
    """
    predicted = colour_labels(prediction)
    if labels is None:
        return cv2.hconcat([image, predicted])
    unlabelled = labels == UNLABELLED
    predicted[unlabelled] = predicted[unlabelled] // 4
    return cv2.hconcat([image, colour_labels(labels), predicted])
