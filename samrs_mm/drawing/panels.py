"""An image at the size of a page, on which things are drawn in the image's own pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from samrs_mm.core.images import SceneImage
from samrs_mm.core.tiling import Window
from samrs_mm.drawing.lettering import paste, text_picture
from samrs_mm.drawing.strokes import (
    Colour,
    brightness,
    cross,
    dashes,
    hatch,
    outline_colour,
    tint,
    whole,
)

LARGEST_SCALE = 4.0
_MOST_TRIES, _TAG_SIZE, _DARK = 100, 12, 110
_SMALL, _MANY = 20, 1000
_ROWS = 256


@dataclass
class Panel:
    """A picture of a window of an image, reduced or enlarged.

    Args:
        picture: ``(h, w, 3)`` uint8 RGB.
        scale: Pixels of the picture for one of the image.
        origin: x, y of the window in pixels of the image.
        caption: What it shows.
        fine: Whether polygons are drawn thin, for crowds of small objects.
    """

    picture: np.ndarray
    scale: float = 1.0
    origin: tuple[int, int] = (0, 0)
    caption: str = ''
    fine: bool = False

    def again(self, caption: str) -> 'Panel':
        """Return a copy of the picture as it is, under another caption."""
        return Panel(self.picture.copy(), self.scale, self.origin, caption, self.fine)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Return points ``(..., 2)`` of the image in pixels of the picture."""
        return (np.asarray(points, float) - self.origin) * self.scale

    def crowded(self, polygons: Sequence) -> bool:
        """Whether polygons are so small, or so many, that halos would hide what they mark."""
        sides = [np.ptp(self.place(polygon), axis=0).max() for polygon in polygons]
        sides = [side for side in sides if np.isfinite(side)]
        return bool(sides) and (len(sides) > _MANY or float(np.median(sides)) < _SMALL)

    def polygon(self, corners: np.ndarray, colour: Colour, dashed: bool = False) -> None:
        """Draw a polygon ``(K, 2)``; nothing where a coordinate isn't finite."""
        dashes(self.picture, self.place(corners), colour, dashed, self.fine)

    def cross(self, point: np.ndarray, colour: Colour) -> None:
        """Draw a cross at a point ``(2,)``."""
        cross(self.picture, self.place(point), colour, 3 if self.fine else 6)

    def hatch(self, corners: np.ndarray, colour: Colour) -> None:
        """Hatch the inside of a polygon ``(K, 2)``."""
        hatch(self.picture, self.place(corners), colour)

    def sample(self, values: np.ndarray, x: int = 0, y: int = 0, beyond: int = 0) -> np.ndarray:
        """Return what an array of the image's pixels has at those of the picture.

        Args:
            values: ``(h, w)``, the part of the image from ``x, y`` on.
            x: Left edge of that part in pixels of the image.
            y: Its top edge.
            beyond: Value outside that part.
        """
        height, width = self.picture.shape[:2]
        column = np.floor((np.arange(width) + 0.5) / self.scale).astype(int) + self.origin[0] - x
        row = np.floor((np.arange(height) + 0.5) / self.scale).astype(int) + self.origin[1] - y
        columns = (column >= 0) & (column < values.shape[1])
        rows = (row >= 0) & (row < values.shape[0])
        sampled = np.full((height, width), beyond, values.dtype)
        sampled[np.ix_(rows, columns)] = values[np.ix_(row[rows], column[columns])]
        return sampled

    def mask(self, mask: np.ndarray, colour: Colour, x: int = 0, y: int = 0) -> None:
        """Tint and outline a mask ``(h, w)`` bool, the part of the image from ``x, y`` on."""
        shown = self.sample(mask, x, y)
        tint(self.picture, shown, colour)
        outline, _ = cv2.findContours(
            shown.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(self.picture, outline, -1, outline_colour(colour), 1)

    def labels(self, labels: np.ndarray, colours: Sequence[Colour], share: float = 0.5) -> None:
        """Tint a label map ``(H, W)`` of the whole image; values without a colour stay clear."""
        shown = self.sample(labels.astype(np.uint8), beyond=255)
        table = np.array(colours, np.uint8).reshape(-1, 3)
        labelled = shown < len(table)
        edge = labelled & (cv2.morphologyEx(shown, cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0)
        tint(self.picture, labelled, table[shown[labelled]], share)
        edges = np.array([outline_colour(colour) for colour in colours], np.uint8)
        self.picture[edge] = edges.reshape(-1, 3)[shown[edge]]

    def tags(self, places: Sequence[tuple[np.ndarray, str, Colour]]) -> None:
        """Name polygons where there is room: one of each name in any case, then the larger ones.

        Args:
            places: Corners ``(K, 2)``, name and colour of each.
        """
        seen = [(self.place(corners), text, colour) for corners, text, colour in places]
        seen = [each for each in seen if self._in_sight(each[0])]
        seen.sort(key=lambda each: -np.ptp(each[0], axis=0).prod())
        firsts = {text: number for number, (_, text, _) in reversed([*enumerate(seen)])}
        objects = np.zeros(self.picture.shape[:2], np.uint8)
        for corners, _, _ in seen:
            cv2.polylines(objects, [whole(corners)], True, 1, 2)
        taken = np.zeros(self.picture.shape[:2], bool)
        order = [*firsts.values(), *sorted(set(range(len(seen))) - set(firsts.values()))]
        for number in order[:_MOST_TRIES]:
            corners, text, colour = seen[number]
            ink = (0,) * 3 if brightness(colour) > _DARK else (255,) * 3
            patch = text_picture(text, _TAG_SIZE, ink, colour, pad=2)
            blocked = taken if number == firsts[text] else taken | (objects > 0)
            spot = self._free_spot(blocked, corners, patch)
            if spot is not None:
                paste(self.picture, patch, *spot)
                x, y = spot
                taken[y : y + patch.shape[0], x : x + patch.shape[1]] = True

    def _in_sight(self, corners: np.ndarray) -> bool:
        size = self.picture.shape[1::-1]
        if not np.isfinite(corners).all():
            return False
        return bool((corners.max(0) > 0).all() and (corners.min(0) < size).all())

    def _free_spot(
        self, blocked: np.ndarray, corners: np.ndarray, patch: np.ndarray
    ) -> tuple[int, int] | None:
        """Return where a name fits: above the topmost corner, else below the lowest; or None."""
        height, width = patch.shape[:2]
        top, bottom = corners[corners[:, 1].argmin()], corners[corners[:, 1].argmax()]
        room = np.maximum(np.array(self.picture.shape[1::-1]) - (width, height), 0)
        for spot in (top - (width / 2, height + 3), bottom - (width / 2, -4)):
            x, y = np.clip(np.rint(spot), 0, room).astype(int).tolist()
            if not blocked[y : y + height, x : x + width].any():
                return x, y
        return None


def open_panel(image: SceneImage, side: int, window: Window | None = None) -> Panel:
    """Return a window of a scene with its longer side at ``side`` pixels, read in strips.

    Points are then drawn in pixels of the scene. Small windows are enlarged up to four times.

    Args:
        image: The scene.
        side: Longer side of the picture in pixels.
        window: Part of the scene; None takes all of it.

    Raises:
        ImageReadError: The file is damaged there.
    """
    window = window or Window(0, 0, image.width, image.height)
    scale = min(side / max(window.width, window.height), LARGEST_SCALE)
    factor = max(int(1 / scale), 1)
    step = max(_ROWS // factor, 1) * factor
    strips = []
    for top in range(0, window.height, step):
        rows = min(step, window.height - top)
        strip = image.crop(window.x, window.y + top, window.width, rows)
        small = max(window.width // factor, 1), max(rows // factor, 1)
        strips.append(cv2.resize(strip, small, interpolation=cv2.INTER_AREA))
    return Panel(_resized(cv2.vconcat(strips), window, scale), scale, (window.x, window.y))


def pixel_panel(image: np.ndarray, side: int, caption: str = '') -> Panel:
    """Return an image ``(H, W, 3)`` uint8 RGB with its longer side at ``side`` pixels."""
    window = Window(0, 0, image.shape[1], image.shape[0])
    scale = min(side / max(image.shape[:2]), LARGEST_SCALE)
    return Panel(_resized(image, window, scale), scale, caption=caption)


def _resized(pixels: np.ndarray, window: Window, scale: float) -> np.ndarray:
    size = max(round(window.width * scale), 1), max(round(window.height * scale), 1)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(pixels), size, interpolation=method)
