# ruff: noqa: RUF005 (arrays are added)
"""The ground that shapes are drawn on: textures, shadows, a sensor, and a mask for each shape.

Coordinates are continuous pixels, x right and y down: the first pixel covers 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from samrs_mm.drawn.canvas import coverage
from samrs_mm.drawn.outlines import Part, rectangle, turned
from samrs_mm.drawn.sensor import grainy, sharpened
from samrs_mm.drawn.shapes import Shape, rgb
from samrs_mm.drawn.textures import noise

_LEAST_INSIDE = 0.7  # fraction of a box that DOTA wants inside a tile
_MOST_COVERED = 0.08


@dataclass(frozen=True)
class Domain:
    """What sets one drawn dataset apart from another.

    Args:
        categories: Class name by kind of thing; neither drawn nor labelled are kinds left out.
        kinds: Kinds of scenes, in the order in which a dataset goes through them.
        materials: Two colours of each ground cover, which coarse noise mixes; see ``rgb``.
        paints: Colours of each palette.
        light: Factor by channel.
        haze: Brightness added everywhere, in [0, 255].
        blur: Standard deviation of the optics' blur in pixels.
        grain: Standard deviation of the sensor's noise at mid grey.
    """

    categories: dict[str, str]
    kinds: tuple[str, ...]
    materials: dict[str, str]
    paints: dict[str, str]
    light: tuple[float, float, float]
    haze: float
    blur: float
    grain: float


@dataclass
class DrawnObject:
    """One labelled object.

    Args:
        category: Class name.
        polygon: ``(4, 2)`` oriented box, clockwise, the head first; tight around the whole
            silhouette, also where the picture's border or another object hides part of it.
        mask: ``(h, w)`` bool, its visible pixels, cropped; never empty.
        offset: x, y of the crop's first pixel in the picture.
        truncated: Whether the picture's border cuts it.
    """

    category: str
    polygon: np.ndarray
    mask: np.ndarray
    offset: tuple[int, int]
    truncated: bool

    def full_mask(self, height: int, width: int) -> np.ndarray:
        """Return the mask at the picture's size, ``(height, width)`` bool."""
        full = np.zeros((height, width), bool)
        x, y = self.offset
        full[y : y + self.mask.shape[0], x : x + self.mask.shape[1]] = self.mask
        return full


class Board:
    """A scene under construction, drawn in a frame at its middle that is turned at random."""

    def __init__(self, width: int, height: int, domain: Domain, rng: np.random.Generator):
        self.size, self.domain, self.rng = (height, width), domain, rng
        self.side, self.reach = min(self.size), float(np.hypot(width, height)) / 2 + 20
        self.angle, self.sun = rng.uniform(0, 2 * np.pi, 2)
        self.image = np.zeros((height, width, 3), np.float32)
        self._materials = {name: self._texture(name) for name in domain.materials}
        self._taken = np.zeros(self.size, bool)
        self._top = np.zeros(self.size, int)
        self._objects: list[DrawnObject] = []

    def _texture(self, name: str) -> np.ndarray:
        rng, size = self.rng, self.size
        colour, tint = rgb(self.domain.materials[name])
        mix = 1 / (1 + np.exp(-2.2 * noise(rng, size, 80) - 1.3 * noise(rng, size, 27)))[..., None]
        light = 3 * noise(rng, size, 11) + 3 * noise(rng, size, 3.5)
        light += 4 * rng.standard_normal(size, np.float32)
        if name == 'water':
            light = 0.3 * light + 2.4 * noise(rng, size, 2.2, 4) + 2 * noise(rng, size, 7, 5)
        return colour * (1 - mix) + tint * mix + light[..., None] * (colour / colour.mean())

    def _in_picture(self, part: Part, u: float = 0, v: float = 0, turn: float = 0) -> Part:
        points = turned(turned(part.points, turn) + (u, v), self.angle)
        return part._replace(points=points + (self.size[1] / 2, self.size[0] / 2))

    def area(self, points: np.ndarray, paint: str, opacity: float = 1, line: float = 0) -> None:
        """Paint on the ground, see ``Part``; ``(N, 2)`` points are u along the frame, v across."""
        self._paint(self._in_picture(Part(points, paint, line=line, opacity=opacity)))

    def _paint(self, part: Part) -> None:
        window, alpha = self._cover([part])
        if part.paint in self._materials:
            paint = self._materials[part.paint][window]
        else:
            paint = np.minimum(rgb(part.paint) * part.tone, 252)
        self.image[window] += (paint - self.image[window]) * (alpha * part.opacity)[..., None]

    def _cover(
        self, parts: Sequence[Part], margin: int = 4
    ) -> tuple[tuple[slice, slice], np.ndarray]:
        """Return a window of the picture and how much of its pixels the parts cover."""
        points, size = np.concatenate([part.points for part in parts]), self.size[::-1]
        x0, y0 = np.clip(np.floor(points.min(0)).astype(int) - margin, 0, size).tolist()
        x1, y1 = np.clip(np.ceil(points.max(0)).astype(int) + margin, 0, size).tolist()
        if x0 == x1 or y0 == y1:
            x0, y0, x1, y1 = 0, 0, 1, 1
        return (slice(y0, y1), slice(x0, x1)), coverage(parts, x0, y0, x1 - x0, y1 - y0)

    def put(
        self, kind: str | None, shape: Shape, u: float, v: float, turn: float = 0, gap: int = 0
    ) -> bool:
        """Place a shape, unless it would leave the picture or stand on something; return whether.

        Args:
            kind: Key of ``Domain.categories``; None draws it without a label.
            shape: What to draw.
            u: Place along the frame, in pixels from the middle.
            v: Place across it.
            turn: Direction of its head in the frame, in radians.
            gap: Pixels kept to what stands there; with 0, 8 % of it may overlap.
        """
        category = self.domain.categories.get(kind or '')
        box = self._in_picture(Part(shape.box, ''), u, v, turn).points
        picture = rectangle(0, self.size[1], 0, self.size[0])
        seen, _ = cv2.intersectConvexConvex(box.astype(np.float32), picture.astype(np.float32))
        inside = seen / np.prod(np.ptp(shape.box, axis=0))
        parts = [self._in_picture(part, u, v, turn) for part in shape.parts]
        solid = [part for part in parts if part.solid]
        window, alpha = self._cover(solid, gap + 4)
        mask = alpha >= 0.5
        if not mask.any() or (kind and (not category or inside < _LEAST_INSIDE)):
            return False
        if shape.height:
            near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * gap + 1,) * 2, np.uint8)) > 0
            if (self._taken[window] & near).sum() > (0 if gap else _MOST_COVERED * mask.sum()):
                return False
            self._shadow(solid, shape.height)
        for part in parts:
            self._paint(part)
        self._taken[window] |= mask
        offset = window[1].start, window[0].start
        self._objects.append(DrawnObject(category or '', box, mask, offset, inside < 0.999))
        if shape.height:
            self._top[window][mask] = len(self._objects)
        return True

    def _shadow(self, parts: list[Part], height: float) -> None:
        steps = turned([(1, 0)], self.sun) * np.arange(0, height + 1, 1.5)[:, None]
        cast = [part._replace(points=part.points + step) for step in steps for part in parts]
        window, alpha = self._cover(cast)
        dark = cv2.GaussianBlur(alpha, (0, 0), 1, borderType=cv2.BORDER_REPLICATE)[..., None]
        self.image[window] *= 1 - dark * np.array([0.5, 0.48, 0.44], np.float32)

    def objects(self) -> list[DrawnObject]:
        """Return the labelled objects, lower ones first."""
        for number, item in enumerate(self._objects, 1):
            (x, y), (height, width) = item.offset, item.mask.shape
            item.mask &= self._top[y : y + height, x : x + width] <= number
        return [item for item in self._objects if item.category and item.mask.any()]

    def photo(self) -> np.ndarray:
        """Return what a sensor would have seen, ``(H, W, 3)`` uint8 RGB."""
        look, rng = self.domain, self.rng
        light = np.array(look.light, np.float32) * np.float32(1 - look.haze / 255)
        seen = cv2.GaussianBlur(self.image * light + np.float32(look.haze), (0, 0), look.blur)
        sharp = grainy(rng, sharpened(seen, 0.5, 1.6), look.grain, 0.8, 0.5)
        return np.clip(np.rint(sharp), 0, 255).astype(np.uint8)
