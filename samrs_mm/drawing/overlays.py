"""Boxes, masks and label maps drawn over the image they belong to."""

from collections.abc import Sequence

import cv2
import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.drawing.colours import STATUS_COLOURS, Colour, class_colour, colour_labels
from samrs_mm.drawing.panels import Panel, pixel_panel
from samrs_mm.formats.annotated.entries import DEGENERATE, HELD, BoxEntry


def box_colour(box: BoxEntry) -> Colour:
    """Return the colour of a box's status, or of its class before it has one."""
    return STATUS_COLOURS.get(box.status) or class_colour(box.label)


def is_lost(box: BoxEntry) -> bool:
    """Whether a box has no kept mask; such boxes are dashed."""
    return box.status in STATUS_COLOURS and box.status not in HELD


def draw_boxes(panel: Panel, boxes: Sequence[BoxEntry], names: Sequence[str] = ()) -> None:
    """Draw boxes, lost ones dashed and on top; degenerate ones get a cross.

    Short class names are written where there is room.
    """
    ordered = sorted(boxes, key=is_lost)
    for box in ordered:
        panel.polygon(box.corners, box_colour(box), dashed=is_lost(box))
        if box.status == DEGENERATE:
            panel.cross(box.corners.mean(0), box_colour(box))
    if names:
        texts = [f'{names[b.label]}: {b.status}' if is_lost(b) else names[b.label] for b in ordered]
        tags = zip(ordered, texts, strict=True)
        panel.tags([(box.corners, text, box_colour(box)) for box, text in tags])


def overlay(image: np.ndarray, boxes: Sequence[BoxEntry]) -> np.ndarray:
    """Return an image ``(H, W, 3)`` uint8 RGB with its boxes, and kept masks tinted by class."""
    panel = pixel_panel(image, max(image.shape[:2]))
    panel.fine = True
    for box in boxes:
        if box.status in HELD and box.segmentation:
            panel.mask(masks.crop(box.segmentation), class_colour(box.label))
    draw_boxes(panel, boxes)
    return panel.picture


def beside(image: np.ndarray, labels: np.ndarray | None, prediction: np.ndarray) -> np.ndarray:
    """Return image ``(H, W, 3)`` uint8 RGB, label map and prediction ``(H, W)`` side by side.

    Where the label map says nothing (255) the prediction is dimmed: it is neither right nor wrong
    there. Without ground truth it stands alone.
    """
    predicted = colour_labels(prediction)
    if labels is None:
        return cv2.hconcat([image, predicted])
    unlabelled = labels == UNLABELLED
    predicted[unlabelled] = predicted[unlabelled] // 4
    return cv2.hconcat([image, colour_labels(labels), predicted])
