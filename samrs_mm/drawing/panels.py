"""An image at the size of a page, on which things are drawn in the image's own pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from samrs_mm.core.images import SceneImage
from samrs_mm.core.tiling import Window
from samrs_mm.drawing.colours import BLACK, Colour, ink_on, outline_colour
from samrs_mm.drawing.lettering import paste, text_picture

MaskPart = tuple[int, int, np.ndarray]
"""x, y of the first pixel of a part of an image, and the mask ``(h, w)`` bool in it."""

LARGEST_SCALE = 4.0
_MOST_TAGS, _TAG_SIZE = 100, 12
_SMALL, _MANY = 20, 1000
_ROWS = 256
_FAR = 2.0**14  # OpenCV counts in 16 bits when it draws sub-pixel lines
_ON, _OFF = 8, 6


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

    def copy(self, caption: str = '') -> 'Panel':
        """Return a copy of the picture as it is, under another caption."""
        return Panel(self.picture.copy(), self.scale, self.origin, caption, self.fine)

    def place(self, points: Sequence | np.ndarray) -> np.ndarray:
        """Return points ``(..., 2)`` of the image in pixels of the picture."""
        return (np.asarray(points, float) - self.origin) * self.scale

    def crowded(self, polygons: Sequence) -> bool:
        """Whether polygons are so small, or so many, that halos would hide what they mark."""
        sides = [np.ptp(self.place(polygon), axis=0).max() for polygon in polygons]
        sides = [side for side in sides if np.isfinite(side)]
        return bool(sides) and (len(sides) > _MANY or float(np.median(sides)) < _SMALL)

    def _drawable(self, points: np.ndarray) -> np.ndarray | None:
        """Return points in pixels of the picture; None where a coordinate isn't finite."""
        points = self.place(points)
        return np.clip(points, -_FAR, _FAR) if np.isfinite(points).all() else None

    def polygon(self, corners: np.ndarray, colour: Colour, dashed: bool = False) -> None:
        """Draw a polygon ``(K, 2)`` with a dark halo; nothing where a coordinate isn't finite."""
        points = self._drawable(corners)
        if points is None:
            return
        parts = _dashes(points) if dashed else [np.concatenate([points, points[:1]])]
        lines = [np.rint(part).astype(np.int32) for part in parts]
        if self.fine:  # anti-aliased, lines of one pixel would be faint
            cv2.polylines(self.picture, lines, False, colour)
            return
        cv2.polylines(self.picture, lines, False, BLACK, 4, cv2.LINE_AA)
        cv2.polylines(self.picture, lines, False, colour, 2, cv2.LINE_AA)

    def cross(self, point: np.ndarray, colour: Colour) -> None:
        """Draw an upright cross at a point ``(2,)`` with a dark halo."""
        points = self._drawable(point)
        if points is None:
            return
        x, y = np.rint(points).astype(int).tolist()
        reach = 3 if self.fine else 6
        for ink, width, length in (BLACK, 4, reach + 1), (colour, 2, reach):
            cv2.line(self.picture, (x - length, y), (x + length, y), ink, width)
            cv2.line(self.picture, (x, y - length), (x, y + length), ink, width)

    def hatch(self, corners: np.ndarray, colour: Colour) -> None:
        """Hatch the inside of a polygon ``(K, 2)``: slanting lines on a light tint."""
        points = self._drawable(corners)
        if points is None:
            return
        inside = np.zeros(self.picture.shape[:2], np.uint8)
        cv2.fillPoly(inside, [np.rint(points).astype(np.int32)], 1)
        y, x = np.nonzero(inside)
        self.picture[y, x] = _mix(self.picture[y, x], colour, 0.3)
        lined = (x + y) % 8 < 2
        self.picture[y[lined], x[lined]] = colour

    def mask(self, part: MaskPart, colour: Colour) -> None:
        """Tint and outline a mask."""
        x, y, mask = part
        values = np.where(mask, 0, 255).astype(np.uint8)
        self._tint(values, (x, y), [colour], 0.45, cv2.BORDER_CONSTANT)

    def labels(self, labels: np.ndarray, colours: Sequence[Colour]) -> None:
        """Tint a label map ``(H, W)`` of the whole image; values without a colour stay clear."""
        self._tint(labels.astype(np.uint8), (0, 0), colours, 0.5, cv2.BORDER_REPLICATE)

    def _tint(
        self,
        values: np.ndarray,
        start: tuple[int, int],
        colours: Sequence[Colour],
        opacity: float,
        border: int,
    ) -> None:
        """Tint and outline the part of the image from x, y = ``start`` on, by its values."""
        pixels, shown = [], []
        for axis in (0, 1):
            places = np.floor((np.arange(self.picture.shape[axis]) + 0.5) / self.scale).astype(int)
            places += self.origin[1 - axis] - start[1 - axis]
            inside = np.flatnonzero((places >= 0) & (places < values.shape[axis]))
            pixels.append(inside)
            shown.append(places[inside])
        values = values[np.ix_(*shown)]
        if not values.size:
            return
        part, table = self.picture[np.ix_(*pixels)], np.array(colours, np.uint8).reshape(-1, 3)
        labelled = values < len(table)
        change = cv2.morphologyEx(
            values, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8), borderType=border,
            borderValue=(255,),
        )  # fmt: skip
        part[labelled] = _mix(part[labelled], table[values[labelled]], opacity)
        edge = labelled & (change > 0)
        edges = np.array([outline_colour(colour) for colour in colours], np.uint8).reshape(-1, 3)
        part[edge] = edges[values[edge]]
        self.picture[np.ix_(*pixels)] = part

    def tags(self, places: Sequence[tuple[np.ndarray, str, Colour]]) -> None:
        """Name polygons where there is room: one of each name in any case, then the larger ones."""
        seen = [(self.place(corners), text, colour) for corners, text, colour in places]
        seen = [each for each in seen if self._in_sight(each[0])]
        seen.sort(key=lambda each: -np.ptp(each[0], axis=0).prod())
        firsts = {text: number for number, (_, text, _) in reversed([*enumerate(seen)])}
        others = [number for number in range(len(seen)) if number not in firsts.values()]
        blocked = np.zeros(self.picture.shape[:2], np.uint8)
        for numbers in (firsts.values(), others[:_MOST_TAGS]):
            for corners, text, colour in (seen[number] for number in numbers):
                patch = text_picture(text, _TAG_SIZE, ink_on(colour), colour, pad=2)
                spot = self._free_spot(blocked, corners, patch)
                if spot is not None:
                    x, y = spot
                    paste(self.picture, patch, x, y)
                    blocked[y : y + patch.shape[0], x : x + patch.shape[1]] = 1
            outlines = [np.rint(np.clip(each[0], -_FAR, _FAR)).astype(np.int32) for each in seen]
            cv2.polylines(blocked, outlines, True, 1, 2)

    def _in_sight(self, corners: np.ndarray) -> bool:
        size = self.picture.shape[1::-1]
        inside = (corners.max(0) > 0).all() and (corners.min(0) < size).all()
        return bool(np.isfinite(corners).all() and inside)

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


def _dashes(corners: np.ndarray) -> list[np.ndarray]:
    """Return the dashes ``(2, 2)`` of a closed polygon."""
    parts = []
    for start, end in zip(corners, np.roll(corners, -1, 0), strict=True):
        count = max(round(float(np.hypot(*(end - start))) / (_ON + _OFF)), 1)
        step = (end - start) / count
        parts += [start + step * [[k], [k + _ON / (_ON + _OFF)]] for k in range(count)]
    return parts


def _mix(pixels: np.ndarray, colour: Colour | np.ndarray, opacity: float) -> np.ndarray:
    return ((1 - opacity) * pixels + opacity * np.asarray(colour, float)).astype(np.uint8)


def open_panel(image: SceneImage, side: int, window: Window | None = None) -> Panel:
    """Return a window of a scene with its longer side at ``side`` pixels, read in strips.

    Points are then drawn in pixels of the scene. Small windows are enlarged up to four times.

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
