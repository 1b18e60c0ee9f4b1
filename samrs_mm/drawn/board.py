"""The board of a demo scene: it draws, keeps count of what stands where, and cuts the masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from samrs_mm.drawn.canvas import Canvas, Material, Pose, points_inside
from samrs_mm.drawn.objects import Colour, Sprite

MIN_SHARE_INSIDE = 0.7  # the rule by which DOTA boxes are kept in a tile


@dataclass(frozen=True)
class Domain:
    """Everything that sets one demo dataset apart from another.

    Attributes:
        categories: Role in a scene (``ship``, ``small_vehicle`` ...) to class name. A role that is
            left out is not drawn.
        kinds: The scene kinds, in the order in which a dataset goes through them.
        materials: Name of a ground cover to its look.
        paints: Name of a palette to its RGB colours.
        gain: Factor per RGB channel (colour of the light).
        haze: Brightness added everywhere, in [0, 255].
        blur: Standard deviation of the optics' blur in pixels.
        noise: Standard deviation of the sensor's noise at mid grey.
    """

    categories: dict[str, str]
    kinds: tuple[str, ...]
    materials: dict[str, Material]
    paints: dict[str, tuple[Colour, ...]]
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    haze: float = 6.0
    blur: float = 0.6
    noise: float = 3.5


@dataclass
class DemoObject:
    """One labelled object.

    Attributes:
        category: Class name.
        polygon: ``(4, 2)`` float, oriented box, clockwise; the first side is the head. Tight around
            the whole silhouette, also where the picture's border or another object hides part of
            it.
        mask: ``(h, w)`` bool, the visible pixels, cropped; never empty.
        offset: ``(x, y)`` of the crop's first pixel in the picture.
        truncated: Whether the picture's border cuts the object.
    """

    category: str
    polygon: np.ndarray
    mask: np.ndarray
    offset: tuple[int, int]
    truncated: bool = False

    def full_mask(self, height: int, width: int) -> np.ndarray:
        """Return the mask at picture size, ``(height, width)`` bool."""
        full = np.zeros((height, width), bool)
        x, y = self.offset
        full[y : y + self.mask.shape[0], x : x + self.mask.shape[1]] = self.mask
        return full


@dataclass
class DemoScene:
    """A picture, ``(H, W, 3)`` uint8 RGB, and its objects, lower ones first."""

    image: np.ndarray
    objects: list[DemoObject]


@dataclass
class _Placed:
    sprite: Sprite
    pose: Pose
    category: str | None

    @cached_property
    def outline(self) -> list[np.ndarray]:
        return [self.pose.apply(polygon) for polygon in self.sprite.outline]

    @cached_property
    def silhouette(self) -> tuple[int, int, np.ndarray]:
        """Offset x, y and the unclipped mask of the pixels whose centres lie inside."""
        points = np.concatenate(self.outline)
        x0, y0 = np.floor(points.min(0)).astype(int)
        x1, y1 = np.ceil(points.max(0)).astype(int) + 1
        xs, ys = np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5
        inside = np.zeros((len(ys), len(xs)), bool)
        for polygon in self.outline:
            inside |= points_inside(polygon, xs, ys)
        return int(x0), int(y0), inside


class Board:
    """Takes sprites and areas from a layout and turns them into a :class:`DemoScene`.

    Args:
        width: Pixels.
        height: Pixels.
        domain: Class names, materials, palettes.
        rng: Source of all randomness of the scene.
    """

    def __init__(self, width: int, height: int, domain: Domain, rng: np.random.Generator) -> None:
        self.width, self.height, self.domain, self.rng = width, height, domain, rng
        self.canvas = Canvas(width, height, rng)
        self.radius = float(np.hypot(width, height)) / 2
        self.side = float(min(width, height))
        direction = rng.uniform(0, 2 * np.pi)
        self.sun = np.array([np.cos(direction), np.sin(direction)])
        self.shadow_reach, self.shadow_strength = rng.uniform(0.8, 1.3), rng.uniform(0.45, 0.6)
        self.taken = np.zeros((height, width), bool)
        self._placed: list[_Placed] = []
        self._textures: dict[str, np.ndarray] = {}

    def frame(self) -> Pose:
        """Return a frame at the middle of the picture, turned at random."""
        return Pose(self.width / 2, self.height / 2, self.rng.uniform(0, 2 * np.pi))

    def texture(self, name: str) -> np.ndarray:
        """Return the picture covered with a material, ``(H, W, 3)`` float32; made once."""
        if name not in self._textures:
            self._textures[name] = self.canvas.texture(self.domain.materials[name])
        return self._textures[name]

    def ground(self, name: str) -> None:
        """Cover the whole picture with a material."""
        self.canvas.image[:] = self.texture(name)

    def area(
        self,
        pose: Pose,
        polygons: list[np.ndarray],
        paint: Colour | str,
        opacity: float = 1.0,
        soft: float = 0.0,
    ) -> None:
        """Paint local polygons on the ground with a colour or a material."""
        moved = [pose.apply(polygon) for polygon in polygons]
        self._fill(
            moved, (*paint[:3], opacity) if not isinstance(paint, str) else paint, opacity, soft
        )

    def _fill(
        self,
        polygons: list[np.ndarray],
        paint: Colour | str,
        opacity: float = 1.0,
        soft: float = 0.0,
    ) -> None:
        if isinstance(paint, str):
            self.canvas.fill(polygons, self.texture(paint), opacity, soft)
        else:
            self.canvas.fill(polygons, paint[:3], paint[3] if len(paint) > 3 else opacity, soft)

    def _draw(self, placed: _Placed) -> None:
        for polygons, paint in placed.sprite.parts:
            self._fill([placed.pose.apply(polygon) for polygon in polygons], paint)

    def put(self, role: str, sprite: Sprite, pose: Pose, gap: float | None = None) -> bool:
        """Place a labelled object unless it would leave the picture or overlap another one.

        Args:
            role: Key of ``Domain.categories``.
            sprite: What to draw. Things painted on the ground are drawn at once, the others when
                the scene is finished, above all areas.
            pose: Where.
            gap: Distance in pixels kept to what stands there; None: touching is fine, and so is an
                overlap of 8 % of the silhouette.

        Returns:
            Whether it was placed.
        """
        category = self.domain.categories.get(role)
        placed = _Placed(sprite, pose, category)
        if category is None or self._share_inside(placed) < MIN_SHARE_INSIDE:
            return False
        if sprite.height and self._blocked(placed, gap):
            return False
        self._accept(placed)
        return True

    def decorate(self, sprite: Sprite, pose: Pose, gap: float = 2.0) -> bool:
        """Place something unlabelled (a tree, a building) where it covers nothing."""
        placed = _Placed(sprite, pose, None)
        if self._blocked(placed, gap):
            return False
        self._accept(placed)
        return True

    def reserve(self, pose: Pose, polygons: list[np.ndarray]) -> None:
        """Keep what is placed later off an area."""
        window, mask = self._clipped(_Placed(Sprite(polygons), pose, None))
        self.taken[window] |= mask

    def finish(self) -> DemoScene:
        """Draw the shadows, then everything that stands, and cut the masks."""
        standing = [placed for placed in self._placed if placed.sprite.height]
        for placed in standing:
            self._throw_shadow(placed)
        for placed in standing:
            self._draw(placed)
        # Only a thing that stands hides what is below: a field painted inside a track doesn't.
        topmost = np.full((self.height, self.width), -1)
        for index, placed in enumerate(self._placed):
            if placed.sprite.height:
                window, mask = self._clipped(placed)
                topmost[window][mask] = index
        objects = []
        for index, placed in enumerate(self._placed):
            if placed.category is None:
                continue
            window, mask = self._clipped(placed)
            visible = mask & (topmost[window] <= index)
            if visible.any():
                objects.append(
                    DemoObject(
                        placed.category,
                        placed.pose.apply(placed.sprite.extent()),
                        visible,
                        (window[1].start, window[0].start),
                        self._share_inside(placed) < 1,
                    )
                )
        domain = self.domain
        return DemoScene(
            self.canvas.developed(domain.blur, domain.noise, domain.gain, domain.haze), objects
        )

    def _throw_shadow(self, placed: _Placed) -> None:
        reach = placed.sprite.height * self.shadow_reach
        self.canvas.shade(placed.outline, 0.35 * self.shadow_strength, soft=1.4)
        steps = [reach] if placed.sprite.hovering else np.arange(0, reach + 1, 1.5)
        cast = [polygon + self.sun * step for step in steps for polygon in placed.outline]
        self.canvas.shade(cast, self.shadow_strength, soft=0.5 + 0.04 * reach)

    def _clipped(self, placed: _Placed) -> tuple[tuple[slice, slice], np.ndarray]:
        x, y, mask = placed.silhouette
        height, width = mask.shape
        x0, x1 = np.clip((x, x + width), 0, self.width).tolist()
        y0, y1 = np.clip((y, y + height), 0, self.height).tolist()
        return (slice(y0, y1), slice(x0, x1)), mask[y0 - y : y1 - y, x0 - x : x1 - x]

    def _share_inside(self, placed: _Placed) -> float:
        return float(self._clipped(placed)[1].sum() / max(placed.silhouette[2].sum(), 1))

    def _blocked(self, placed: _Placed, gap: float | None) -> bool:
        if gap is not None:
            extent = placed.sprite.extent()
            middle = extent.mean(0)
            wide = extent + np.sign(extent - middle) * gap
            placed = _Placed(Sprite([wide]), placed.pose, None)
        window, mask = self._clipped(placed)
        covered = (self.taken[window] & mask).sum()
        return bool(covered > (0 if gap is not None else 0.08 * mask.sum()))

    def _accept(self, placed: _Placed) -> None:
        self._placed.append(placed)
        window, mask = self._clipped(placed)
        self.taken[window] |= mask
        if not placed.sprite.height:
            self._draw(placed)
