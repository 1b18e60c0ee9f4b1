"""Pages of panels under a title, and what all kinds of browsed data have in common."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from samrs_mm.core.classes import abbreviations
from samrs_mm.core.tiling import Window
from samrs_mm.drawing.colours import Colour, class_colour
from samrs_mm.drawing.layout import MARGIN, Swatch, captioned, grid, key
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
        bounds: x0, y0, x1, y1 in pixels of the image.
        mask: Returns its mask, or None if it has none.
    """

    image: str
    label: int
    bounds: Sequence[float]
    mask: Callable[[], MaskPart | None]


@dataclass
class Page:
    """What is shown of one image.

    Args:
        name: Name of the image; the page's file is called after it.
        note: What else is to know, in a line.
        panels: Pictures of one size.
        swatches: What the colours mean.
        cover: Which panel stands for the page in an index.
    """

    name: str
    note: str = ''
    panels: list[Panel] = field(default_factory=list)
    swatches: list[Swatch] = field(default_factory=list)
    cover: int = 0

    def add(self, panel: Panel, swatches: Iterable[Swatch] = ()) -> None:
        """Add a panel, and the swatches that are not yet there."""
        self.panels.append(panel)
        self.swatches += [swatch for swatch in swatches if swatch not in self.swatches]

    def draw(self) -> np.ndarray:
        """Return the page as ``(H, W, 3)`` uint8 RGB: title, note, panels, key."""
        columns = len(self.panels) if len(self.panels) < 4 else -(-len(self.panels) // 2)
        body = grid([captioned(panel.picture, panel.caption) for panel in self.panels], columns)
        width = body.shape[1] - 2 * MARGIN
        head = [line(self.name, width, _TITLE)]
        if self.note:
            head.append(line(self.note, width, _NOTE))
        narrow = [*head, key(self.swatches, width)]
        *head, foot = [_widened(part) for part in narrow]
        return cv2.vconcat([*head, body, foot])

    def thumbnail(self, name: str) -> np.ndarray:
        """Return the cover under a name, for an index."""
        picture = self.panels[self.cover].picture
        scale = min(_THUMBNAIL / max(picture.shape[:2]), 1)
        size = [max(round(length * scale), 1) for length in picture.shape[1::-1]]
        return captioned(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), name, 13)


def _widened(part: np.ndarray) -> np.ndarray:
    return np.pad(part, ((0, 0), (MARGIN, MARGIN), (0, 0)), constant_values=255)


def class_swatches(
    labels: Iterable[int], classes: Sequence[str], colour: Callable[[int], Colour] = class_colour
) -> list[Swatch]:
    """Return an entry per class, with its abbreviation where it has one.

    Args:
        labels: Class indices.
        classes: Names of all classes.
        colour: Returns the colour of a class.
    """
    names = full_names(classes)
    return [Swatch(names[label], colour(label)) for label in sorted(set(labels))]


def full_names(classes: Sequence[str]) -> list[str]:
    """Return class names with their abbreviations, where they have one."""
    pairs = zip(classes, abbreviations(classes), strict=True)
    return [name if short == name else f'{short}  {name}' for name, short in pairs]


def window_around(bounds: Sequence[float] | None, width: int, height: int) -> Window:
    """Return the square window that shows an object with some of what is around it.

    Args:
        bounds: x0, y0, x1, y1 of the object in pixels; None takes the whole image.
        width: Image width in pixels.
        height: Image height in pixels.

    Returns:
        A window inside the image, of at least 40 px where the image has them.
    """
    if bounds is None:
        return Window(0, 0, width, height)
    x0, y0, x1, y1 = np.clip(bounds, 0, [width, height, width, height]).tolist()
    side = int(np.ceil(max((x1 - x0) * _ROOM, (y1 - y0) * _ROOM, _LEAST)))
    size = min(side, width), min(side, height)
    x = int(np.clip((x0 + x1 - size[0]) / 2, 0, width - size[0]))
    y = int(np.clip((y0 + y1 - size[1]) / 2, 0, height - size[1]))
    return Window(x, y, *size)
