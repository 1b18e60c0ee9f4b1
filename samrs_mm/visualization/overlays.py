"""Masks and boxes drawn over the image they belong to."""

import cv2
import numpy as np

from samrs_mm.annotation import records, rle
from samrs_mm.annotation.classes import palette_for


def overlay(image: np.ndarray, boxes: list[dict], num_classes: int) -> np.ndarray:
    """Draw an annotated image: tinted masks with outlines, and the labelled boxes.

    Boxes without a mask are drawn in red.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        boxes: The ``boxes`` of the image's record.
        num_classes: Number of classes; colours are those of the label maps' palette.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    canvas = image.copy()
    palette = palette_for(num_classes)
    for box in boxes:
        colour = _vivid(palette[box['category_id'] - 1])
        if box['status'] == records.KEPT:
            mask = rle.decode(box['segmentation'])
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


def _vivid(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Brighten a palette colour: SAMRS's are meant for a white ground and vanish on a photo."""
    hsv = cv2.cvtColor(np.array([[colour]], np.uint8), cv2.COLOR_RGB2HSV)[0, 0]
    hsv[1], hsv[2] = max(hsv[1], 170), 255
    return tuple(int(v) for v in cv2.cvtColor(np.array([[hsv]]), cv2.COLOR_HSV2RGB)[0, 0])
