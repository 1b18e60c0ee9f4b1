"""Colours of classes and statuses, chosen to be seen on photos."""

import cv2
import numpy as np

from samrs_mm.core.boxes import CROWD, IGNORED, MASKLESS
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.formats.annotated.entries import (
    ADDED,
    CORRECTED,
    DEGENERATE,
    EMPTY,
    FAILED,
    FILTERED,
    KEPT,
    OUTSIDE,
    REJECTED,
)

Colour = tuple[int, int, int]

# Okabe and Ito's colours differ for any colour vision; line styles say the same twice.
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
SKY, ORANGE, YELLOW = (86, 180, 233), (230, 159, 0), (240, 228, 66)
VERMILION, PURPLE = (213, 94, 0), (204, 121, 167)
GREEN, BLUE = (0, 158, 115), (0, 114, 178)
LIME, AQUA, RED = (170, 255, 80), (120, 255, 220), (255, 60, 60)
LILAC = (190, 160, 255)

STATUS_COLOURS: dict[str, Colour] = {
    KEPT: SKY,
    FILTERED: VERMILION,
    EMPTY: ORANGE,
    OUTSIDE: PURPLE,
    DEGENERATE: YELLOW,
    CROWD: GREEN,
    IGNORED: BLUE,
    MASKLESS: LILAC,
    FAILED: WHITE,
    CORRECTED: LIME,
    ADDED: AQUA,
    REJECTED: RED,
}
"""Colour of a box by its status; those without a mask in the dataset are dashed."""

_DIM, _DARK = 70, 110


def class_colour(index: int) -> Colour:
    """Return a bright RGB colour; neighbouring classes are far apart in hue.

    The SAMRS palette is made for label maps: most of its colours vanish on a photo.
    """
    hue = round(180 * (index * 0.618034 + 0.5)) % 180
    pixel = np.array([[[hue, 190, 255]]], np.uint8)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def colour_labels(labels: np.ndarray) -> np.ndarray:
    """Return a label map ``(H, W)`` of class indices as ``(H, W, 3)`` uint8 RGB, 255 in black."""
    table = np.array([*map(class_colour, range(UNLABELLED)), BLACK], np.uint8)
    return table[labels]


def outline_colour(colour: Colour) -> Colour:
    """Return a colour to outline areas with: white for those that vanish on a photo."""
    return colour if _brightness(colour) > _DIM else WHITE


def ink_on(colour: Colour) -> Colour:
    """Return the colour of text on a ground: black or white."""
    return BLACK if _brightness(colour) > _DARK else WHITE


def _brightness(colour: Colour) -> float:
    return float(np.dot(colour, (0.299, 0.587, 0.114)))
