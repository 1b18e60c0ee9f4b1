"""Text as pictures: legible at any size, in any script that the font has."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from samrs_mm.drawing.strokes import Colour, cross, dashes, hatch

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
_SWATCH = (34, 18)


@dataclass(frozen=True)
class Swatch:
    """One entry of a key.

    Args:
        text: What the colour means.
        colour: RGB.
        kind: ``'fill'``, ``'line'``, ``'dashed'``, ``'cross'`` or ``'hatch'``.
    """

    text: str
    colour: Colour
    kind: str = 'fill'


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
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
    """Return a line of text as ``(H, W, 3)`` uint8 RGB; all lines of one size are equally high."""
    ascent, descent = _font(size).getmetrics()
    picture = Image.new('RGB', (text_width(text, size) + 2 * pad, ascent + descent + pad), ground)
    ImageDraw.Draw(picture).text((pad, pad // 2), text, colour, _font(size))
    return np.array(picture)


def paste(picture: np.ndarray, patch: np.ndarray, x: int, y: int) -> None:
    """Put a patch into a picture, in place; what lies outside is cut off."""
    height, width = picture.shape[:2]
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + patch.shape[1], width), min(y + patch.shape[0], height)
    if x0 < x1 and y0 < y1:
        picture[y0:y1, x0:x1] = patch[y0 - y : y1 - y, x0 - x : x1 - x]


def key(swatches: Sequence[Swatch], width: int, size: int = 15) -> np.ndarray:
    """Return a key: swatches with their texts in lines of at most ``width`` pixels.

    Returns:
        ``(H, width, 3)`` uint8 RGB; no line without swatches.
    """
    lines: list[list[np.ndarray]] = [[]]
    for swatch in swatches:
        entry = _entry(swatch, size, width)
        if lines[-1] and sum(part.shape[1] for part in lines[-1]) + entry.shape[1] > width:
            lines.append([])
        lines[-1].append(entry)
    rows = []
    for line in filter(None, lines):
        row = np.full((line[0].shape[0], width, 3), 255, np.uint8)
        paste(row, cv2.hconcat(line), 0, 0)
        rows.append(row)
    return cv2.vconcat(rows) if rows else np.empty((0, width, 3), np.uint8)


def _entry(swatch: Swatch, size: int, width: int) -> np.ndarray:
    text = text_picture(shortened(swatch.text, size, width - _SWATCH[0] - 30), size)
    height = max(text.shape[0], _SWATCH[1]) + 6
    entry = np.full((height, _SWATCH[0] + text.shape[1] + 22, 3), 255, np.uint8)
    paste(entry, _sample(swatch), 6, (height - _SWATCH[1]) // 2)
    paste(entry, text, _SWATCH[0] + 8, (height - text.shape[0]) // 2)
    return entry


def _sample(swatch: Swatch) -> np.ndarray:
    """Return what is drawn, on the grey of a middling photo."""
    width, height = _SWATCH
    sample = np.full((height, width, 3), 96, np.uint8)
    corners = np.array([[4, 4], [width - 5, 4], [width - 5, height - 5], [4, height - 5]], float)
    if swatch.kind == 'fill':
        sample[:] = swatch.colour
    elif swatch.kind == 'hatch':
        hatch(sample, corners, swatch.colour)
    elif swatch.kind == 'cross':
        cross(sample, corners.mean(0), swatch.colour)
    else:
        dashes(sample, corners, swatch.colour, dashed=swatch.kind == 'dashed')
    return sample
