"""Masks and boxes drawn over the image they belong to."""

import cv2
import numpy as np

from samrs_mm.core import masks
from samrs_mm.formats.annotated import records


def overlay(image: np.ndarray, boxes: list[dict]) -> np.ndarray:
    """Draw an annotated image: tinted masks with outlines, and the labelled boxes.

    Boxes without a mask are drawn in red.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        boxes: The ``boxes`` of the image's record.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    canvas = image.copy()
    for box in boxes:
        colour = class_colour(box['category_id'] - 1)
        if box['status'] == records.KEPT:
            mask = masks.decode(box['segmentation'])
            canvas[mask] = (0.55 * canvas[mask] + 0.45 * np.array(colour)).astype(np.uint8)
            outline, _ = cv2.findContours(
                mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(canvas, outline, -1, colour, 1)
    for box in boxes:
        polygon = np.array(box['polygon'], float)
        if not np.isfinite(polygon).all():
            continue
        colour = (255, 255, 255) if box['status'] == records.KEPT else (255, 0, 0)
        points = np.clip(np.rint(polygon), -(2**15), 2**15).astype(np.int32)
        cv2.polylines(canvas, [points], True, colour, 1, cv2.LINE_AA)
    return canvas


def class_colour(index: int) -> tuple[int, int, int]:
    """Return a bright RGB colour; neighbouring classes are far apart in hue.

    The SAMRS palette is made for label maps: most of its colours vanish on a photo.
    """
    hue = round(180 * (index * 0.618034 + 0.5)) % 180
    pixel = np.array([[[hue, 190, 255]]], np.uint8)
    return tuple(int(value) for value in cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0])
