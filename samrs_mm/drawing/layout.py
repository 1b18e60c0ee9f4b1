"""What stands around pictures: captions, grids, keys of colours."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from samrs_mm.drawing.colours import Colour, class_colour
from samrs_mm.drawing.lettering import line, paste, shortened, text_picture
from samrs_mm.drawing.panels import Panel

MARGIN = 10
_WIDTH, _HEIGHT = 34, 18
_TEXT = 15


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

    def draw(self, width: int) -> np.ndarray:
        """Return it as ``(H, W, 3)`` uint8 RGB, no wider than ``width`` pixels."""
        text = text_picture(shortened(self.text, _TEXT, width - _WIDTH - 30), _TEXT)
        height = max(text.shape[0], _HEIGHT) + 6
        entry = np.full((height, _WIDTH + text.shape[1] + 22, 3), 255, np.uint8)
        paste(entry, self._sample(), 6, (height - _HEIGHT) // 2)
        paste(entry, text, _WIDTH + 8, (height - text.shape[0]) // 2)
        return entry

    def _sample(self) -> np.ndarray:
        """Return what is drawn, on the grey of a middling photo."""
        panel = Panel(np.full((_HEIGHT, _WIDTH, 3), 96, np.uint8))
        right, bottom = _WIDTH - 5, _HEIGHT - 5
        corners = np.array([[4, 4], [right, 4], [right, bottom], [4, bottom]], float)
        if self.kind == 'fill':
            panel.picture[:] = self.colour
        elif self.kind == 'hatch':
            panel.hatch(corners, self.colour)
        elif self.kind == 'cross':
            panel.cross(corners.mean(0), self.colour)
        else:
            panel.polygon(corners, self.colour, dashed=self.kind == 'dashed')
        return panel.picture


def key(swatches: Sequence[Swatch], width: int) -> np.ndarray:
    """Return swatches in lines of at most ``width`` pixels, ``(H, width, 3)`` uint8 RGB."""
    rows: list[np.ndarray] = []
    x = width
    for entry in (swatch.draw(width) for swatch in swatches):
        if x + entry.shape[1] > width:
            rows.append(np.full((entry.shape[0], width, 3), 255, np.uint8))
            x = 0
        paste(rows[-1], entry, x, 0)
        x += entry.shape[1]
    return cv2.vconcat(rows) if rows else np.empty((0, width, 3), np.uint8)


def legend(names: Sequence[str]) -> np.ndarray:
    """Return a line per class, colour, value and name, as ``(H, W, 3)`` uint8 RGB."""
    swatches = [Swatch(f'{index} {name}', class_colour(index)) for index, name in enumerate(names)]
    return grid([swatch.draw(10_000) for swatch in swatches], 1, margin=0)


def captioned(picture: np.ndarray, caption: str, size: int = _TEXT) -> np.ndarray:
    """Return a picture with a caption above it."""
    return cv2.vconcat([line(caption, picture.shape[1], size), picture]) if caption else picture


def grid(cells: Sequence[np.ndarray], columns: int, margin: int = MARGIN) -> np.ndarray:
    """Return at least one picture in rows on white, each row as high as its highest one."""
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    widths = [max(cell.shape[1] for cell in cells[k::columns]) for k in range(len(rows[0]))]
    heights = [max(cell.shape[0] for cell in row) for row in rows]
    xs, ys = (
        np.cumsum([margin, *(side + margin for side in sides)]) for sides in (widths, heights)
    )
    picture = np.full((ys[-1], xs[-1], 3), 255, np.uint8)
    for row, y in zip(rows, ys, strict=False):
        for cell, x in zip(row, xs, strict=False):
            paste(picture, cell, x, y)
    return picture
