"""Text as pictures: legible at any size, in any script that the font has."""

from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from samrs_mm.drawing.colours import BLACK, WHITE, Colour


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> int:
    """Return the width of a line of text in pixels."""
    return int(np.ceil(_font(size).getlength(text)))


def shortened(text: str, size: int, width: int) -> str:
    """Return a text cut, with an ellipsis, so that it fits a width in pixels."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + '…', size) > width:
        text = text[:-1]
    return text + '…'


def text_picture(
    text: str, size: int = 15, colour: Colour = BLACK, ground: Colour = WHITE, pad: int = 3
) -> np.ndarray:
    """Return a line of text, ``(H, W, 3)`` uint8 RGB; all of one size are equally high."""
    ascent, descent = _font(size).getmetrics()
    picture = Image.new('RGB', (text_width(text, size) + 2 * pad, ascent + descent + pad), ground)
    ImageDraw.Draw(picture).text((pad, pad // 2), text, colour, _font(size))
    return np.array(picture)


def paste(picture: np.ndarray, patch: np.ndarray, x: int, y: int) -> None:
    """Put a patch into a picture, in place; what lies outside is cut off."""
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + patch.shape[1], picture.shape[1]), min(y + patch.shape[0], picture.shape[0])
    if x0 < x1 and y0 < y1:
        picture[y0:y1, x0:x1] = patch[y0 - y : y1 - y, x0 - x : x1 - x]


def line(text: str, width: int, size: int) -> np.ndarray:
    """Return a line of text on white, exactly ``width`` pixels wide; long texts are cut."""
    patch = text_picture(shortened(text, size, width - 6), size)
    row = np.full((patch.shape[0], width, 3), 255, np.uint8)
    paste(row, patch, 0, 0)
    return row
