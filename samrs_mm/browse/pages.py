"""Pages of panels under a title, and what all kinds of browsed data have in common."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from samrs_mm.core.classes import abbreviations
from samrs_mm.core.tiling import Window
from samrs_mm.drawing.colours import Colour, class_colour
from samrs_mm.drawing.layout import Swatch, captioned, grid, key
from samrs_mm.drawing.lettering import line
from samrs_mm.drawing.panels import MaskPart, Panel

_TITLE, _NOTE, _THUMBNAIL = 20, 15, 240
_ROOM, _LEAST = 1.5, 40


@dataclass(frozen=True)
class ImageObject:
    """One object of an image.

    Args:
        image: Name of the image.
        label: Class index.
        polygon: Its box, corners ``(4, 2)`` in pixels of the image.
        mask: Returns its mask, or None if it has none.
    """

    image: str
    label: int
    polygon: np.ndarray
    mask: Callable[[], MaskPart | None]

    def draw(self, panel: Panel, colour: Colour) -> None:
        """Draw its mask, or its box if it has none."""
        part = self.mask()
        if part is None:
            panel.polygon(self.polygon, colour)
        else:
            panel.mask(part, colour)


@dataclass
class Page:
    """Panels under a title, with a key of their colours.

    Args:
        name: The title.
        note: What else is to know, in a line.
        panels: The pictures.
        swatches: What the colours mean.
        cover: Which panel stands for the page in an index.
        columns: Panels in a row; None puts up to three in one row, and more in two.
    """

    name: str
    note: str = ''
    panels: list[Panel] = field(default_factory=list)
    swatches: list[Swatch] = field(default_factory=list)
    cover: int = 0
    columns: int | None = None

    def add(self, panel: Panel, swatches: Iterable[Swatch] = ()) -> None:
        """Add a panel, and the swatches that are not yet there."""
        self.panels.append(panel)
        self.swatches += [swatch for swatch in swatches if swatch not in self.swatches]

    def draw(self) -> np.ndarray:
        """Return the page as ``(H, W, 3)`` uint8 RGB: title, note, panels, key."""
        count = len(self.panels)
        columns = self.columns or (count if count < 4 else -(-count // 2))
        body = grid([captioned(panel.picture, panel.caption) for panel in self.panels], columns)
        width = body.shape[1]
        head = [line(self.name, width, _TITLE)]
        if self.note:
            head.append(line(self.note, width, _NOTE))
        return cv2.vconcat([*head, body, key(self.swatches, width)])

    def thumbnail(self, name: str) -> np.ndarray:
        """Return the cover under a name, for an index."""
        picture = self.panels[self.cover].picture
        scale = min(_THUMBNAIL / max(picture.shape[:2]), 1)
        size = [max(round(length * scale), 1) for length in picture.shape[1::-1]]
        return captioned(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), name, 13)


def class_swatches(
    labels: Iterable[int], classes: Sequence[str], colour: Callable[[int], Colour] = class_colour
) -> list[Swatch]:
    """Return an entry for each of some class indices, with its abbreviation where it has one."""
    names = full_names(classes)
    return [Swatch(names[label], colour(label)) for label in sorted(set(labels))]


def full_names(classes: Sequence[str]) -> list[str]:
    """Return class names with their abbreviations, where they have one."""
    pairs = zip(classes, abbreviations(classes), strict=True)
    return [name if short == name else f'{short}  {name}' for name, short in pairs]


def window_around(polygon: np.ndarray | None, width: int, height: int) -> Window:
    """Return the square window, of at least 40 px, that shows an object and what is around it.

    Args:
        polygon: ``(N, 2)`` in pixels; None takes the whole image.
        width: Image width in pixels.
        height: Image height in pixels.
    """
    if polygon is None:
        return Window(0, 0, width, height)
    image = np.array([width, height])
    points = np.clip(polygon, 0, image)
    side = int(np.ceil(max(np.ptp(points, axis=0).max() * _ROOM, _LEAST)))
    size = np.minimum(side, image)
    middle = (points.min(0) + points.max(0)) / 2
    x, y = np.clip(middle - size / 2, 0, image - size).astype(int).tolist()
    return Window(x, y, *size.tolist())
