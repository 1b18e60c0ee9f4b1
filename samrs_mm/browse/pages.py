"""Pages of panels under a title, and grids of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from samrs_mm.drawing.lettering import Swatch, key, paste, shortened, text_picture
from samrs_mm.drawing.panels import Panel

_MARGIN, _TITLE, _CAPTION = 10, 20, 15


@dataclass
class Page:
    """What is shown of one image.

    Args:
        name: Name of the image; the page's file is called after it.
        panels: Pictures of one size.
        swatches: What the colours mean.
        note: What else is to know, in a line.
        cover: Which panel stands for the page in an index.
    """

    name: str
    panels: list[Panel]
    swatches: list[Swatch] = field(default_factory=list)
    note: str = ''
    cover: int = 0

    def draw(self) -> np.ndarray:
        """Return the page as ``(H, W, 3)`` uint8 RGB: title, note, panels, key."""
        columns = len(self.panels) if len(self.panels) < 4 else -(-len(self.panels) // 2)
        cells = [captioned(panel.picture, panel.caption) for panel in self.panels]
        body = grid(cells, columns)
        width = body.shape[1] - 2 * _MARGIN
        head = [line(self.name, width, _TITLE), line(self.note, width, _CAPTION)]
        parts = [*head[: 2 if self.note else 1], body, key(self.swatches, width)]
        return cv2.vconcat([_widened(part, body.shape[1]) for part in parts if len(part)])


def line(text: str, width: int, size: int) -> np.ndarray:
    """Return a line of text on white, exactly ``width`` pixels wide; long texts are cut."""
    patch = text_picture(shortened(text, size, width - 6), size)
    row = np.full((patch.shape[0], width, 3), 255, np.uint8)
    paste(row, patch, 0, 0)
    return row


def captioned(picture: np.ndarray, caption: str, size: int = _CAPTION) -> np.ndarray:
    """Return a picture with a caption above it."""
    return cv2.vconcat([line(caption, picture.shape[1], size), picture]) if caption else picture


def grid(cells: Sequence[np.ndarray], columns: int, margin: int = _MARGIN) -> np.ndarray:
    """Return pictures in rows on white; each row is as high as its highest, columns likewise.

    Args:
        cells: ``(H, W, 3)`` uint8 RGB, at least one.
        columns: Pictures in a row.
        margin: Pixels around each picture.
    """
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    widths = [max(row[k].shape[1] for row in rows if k < len(row)) for k in range(len(rows[0]))]
    heights = [max(cell.shape[0] for cell in row) for row in rows]
    size = sum(heights) + margin * (len(rows) + 1), sum(widths) + margin * (len(widths) + 1)
    picture = np.full((*size, 3), 255, np.uint8)
    y = margin
    for row, height in zip(rows, heights, strict=True):
        x = margin
        for cell, width in zip(row, widths, strict=False):
            paste(picture, cell, x, y)
            x += width + margin
        y += height + margin
    return picture


def contact_sheet(pages: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """Return a grid of named thumbnails.

    Args:
        pages: Name and thumbnail of each, at least one.
    """
    cells = [captioned(picture, name, 13) for name, picture in pages]
    return grid(cells, min(len(cells), 6))


def thumbnail(picture: np.ndarray, side: int = 240) -> np.ndarray:
    """Return a picture reduced so that it fits a square of ``side`` pixels."""
    scale = min(side / max(picture.shape[:2]), 1)
    size = [max(round(length * scale), 1) for length in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _widened(part: np.ndarray, width: int) -> np.ndarray:
    left = _MARGIN if part.shape[1] < width else 0
    return cv2.copyMakeBorder(
        part, 0, 0, left, width - left - part.shape[1], cv2.BORDER_CONSTANT, value=(255,) * 3
    )
