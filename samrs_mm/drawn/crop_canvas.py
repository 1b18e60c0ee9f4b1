"""The canvas of a crop: its frame at twice the crop's resolution, colours and a mask."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.drawn.canvas import SHIFT, Value, fill
from samrs_mm.drawn.kinds import CropKind
from samrs_mm.drawn.outlines import Part
from samrs_mm.drawn.paint import Colour

FINER = 2
"""Samples of a crop's pixel along each side."""


class Thing:
    """A drawn thing, about 1 long, to be placed as often as wanted.

    Args:
        kind: What it is one of.
        parts: As ``CropKind.draw`` returns them: filled polygons of RGB paint.
    """

    def __init__(self, kind: CropKind, parts: Sequence[Part]):
        self.kind, self.parts = kind, list(parts)
        self.first = next(number for number, part in enumerate(parts) if part.solid)
        self.points = np.concatenate([part.points for part in parts])
        ends = np.cumsum([len(part.points) for part in parts])
        self.ends = list(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))

    @property
    def paint(self) -> Colour:
        """The first solid part's colour."""
        return self.parts[self.first].paint

    def outline(self) -> np.ndarray:
        """Return all corners ``(N, 2)`` of the silhouette."""
        return np.concatenate([part.points for part in self.parts if part.solid])

    def size(self) -> np.ndarray:
        """Return the silhouette's length and width along its axes, ``(2,)``."""
        return np.ptp(self.outline(), axis=0)


class CropCanvas:
    """Colours, the texture's strength and the object's mask at ``FINER`` times a crop's size.

    Points are given in units of the object's length, about the object; ``where`` in pixels of the
    picture, from the object.

    Args:
        frame: Of the crop, in pixels of the picture, the object at its origin.
        scale: Pixels of the picture that a unit is long.
        side: Of the crop in pixels.

    Attributes:
        pixels: ``(B, B, 4)`` uint8: RGB and how strong the texture is.
        mask: ``(B, B)`` uint8, 255 on the object.
    """

    def __init__(self, frame: CropFrame, scale: float, side: int):
        self.frame, self.scale, self.side = frame, scale, side
        self.big = side * FINER
        self.matrix = frame.to_crop(self.big)
        self.pixels = np.zeros((self.big, self.big, 4), np.uint8)
        self.mask = np.zeros((self.big, self.big), np.uint8)

    def place(
        self, points: np.ndarray, angle: float = 0.0, where: Sequence[float] | np.ndarray = (0, 0)
    ) -> np.ndarray:
        """Return points ``(N, 2)`` turned and put somewhere, as ``canvas.fixed`` gives them."""
        turn, shift = self.matrix[:, :2], self.matrix[:, 2]
        cos, sin = np.cos(angle) * self.scale, np.sin(angle) * self.scale
        around = turn @ np.array([[cos, -sin], [sin, cos]])
        far = turn @ np.asarray(where) + shift - 0.5
        return np.rint((points @ around.T + far) * 2**SHIFT).astype(np.int32)

    def paint(self, placed: np.ndarray, colour: Colour, strength: float) -> None:
        """Fill a placed polygon with a colour and a strength of the texture in [0, 255]."""
        fill(self.pixels, placed, (*colour.tolist(), strength))

    def cover(self, layer: np.ndarray, colour: Value, opacity: float) -> None:
        """Blend a colour over everything where a layer ``(B, B)`` uint8 isn't 0."""
        share = cv2.convertScaleAbs(layer, alpha=opacity)[..., None].astype(np.float32) / 255
        mixed = (
            self.pixels[..., :3] + (np.asarray(colour, np.float32) - self.pixels[..., :3]) * share
        )
        self.pixels[..., :3] = np.clip(mixed, 0, 255).astype(np.uint8)

    def shade(self, dark: np.ndarray, depth: float) -> None:
        """Darken by a layer ``(B, B)`` uint8; where it is 255 only ``1 - depth`` is left."""
        left = 255 - cv2.convertScaleAbs(dark, alpha=depth)
        cv2.multiply(self.pixels, cv2.merge([left] * 4), self.pixels, scale=1 / 255)

    def target(self) -> np.ndarray:
        """Return the share of each of the crop's pixels in the mask, ``(S, S)`` float32."""
        size = (self.side, self.side)
        mean = cv2.resize(self.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return mean / np.float32(255)


class Placed:
    """A thing at its place on a canvas.

    Args:
        canvas: On which it is drawn.
        thing: What it is.
        angle: By which it is turned clockwise, in radians.
        where: ``(2,)`` its place in pixels of the picture, from the object.
    """

    def __init__(
        self,
        canvas: CropCanvas,
        thing: Thing,
        angle: float,
        where: Sequence[float] | np.ndarray = (0, 0),
    ):
        self.canvas, self.thing = canvas, thing
        self.points = canvas.place(thing.points, angle, where)

    def _polygons(self, start: int, stop: int | None) -> Iterator[tuple[Part, np.ndarray]]:
        ends = self.thing.ends[start:stop]
        for part, (begin, end) in zip(self.thing.parts[start:stop], ends, strict=True):
            yield part, self.points[begin:end]

    def solid(self) -> Iterator[np.ndarray]:
        """Yield the silhouette's polygons as placed."""
        for part, polygon in self._polygons(self.thing.first, None):
            if part.solid:
                yield polygon

    def paint_ground(self, strength: float) -> None:
        """Paint what lies on the ground; see ``CropCanvas.paint``."""
        for part, polygon in self._polygons(0, self.thing.first):
            self.canvas.paint(polygon, part.paint, strength)

    def paint_thing(self, strength: float, meant: bool) -> None:
        """Paint the thing; the mask gains its silhouette if it is meant, else loses it."""
        for part, polygon in self._polygons(self.thing.first, None):
            self.canvas.paint(polygon, part.paint, strength)
            if part.solid:
                fill(self.canvas.mask, polygon, 255 * meant)
