"""Cut scenes into tiles and assign boxes to them.

As BboxToolkit's and mmrotate's splitters do it: a sliding window whose last position is shifted
back to the border, and a box belongs to every tile that covers at least ``iof`` of its area.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np
import shapely

from samrs_mm.core.boxes import bounding_boxes
from samrs_mm.core.errors import RefusedError

_STEM = re.compile(r'(.+)__(\d+)__(\d+)___(\d+)')


@dataclass(frozen=True)
class Axis:
    """Windows along one side of a scene, as mmsegmentation slides them and as tiles are cut.

    The last window is shifted back to the end. A scene shorter than the window has one window of
    its own length. All lengths are in pixels; ``stride`` is from 1 to ``window``.
    """

    side: int
    window: int
    stride: int

    @property
    def length(self) -> int:
        """Length of each window."""
        return min(self.window, self.side)

    @property
    def starts(self) -> list[int]:
        """First pixel of each window, ascending."""
        last = self.side - self.length
        return [*range(0, last, self.stride), last]

    @property
    def owned(self) -> list[tuple[int, int]]:
        """Pixels taken from each window, as ``(first, last + 1)``: every pixel from one window.

        Neighbours are cut in the middle of their overlap: around a pixel its window reaches at
        least ``(window - stride) / 2`` to both sides, or to the end of the scene.
        """
        starts = self.starts
        cuts = [(one + other + self.length) // 2 for one, other in pairwise(starts)]
        return list(zip([0, *cuts], [*cuts, self.side], strict=True))

    @property
    def counts(self) -> np.ndarray:
        """Number of windows over each pixel, ``(side,)`` float32."""
        counts = np.zeros(self.side, np.float32)
        for start in self.starts:
            counts[start : start + self.length] += 1
        return counts


@dataclass(frozen=True)
class TileSpec:
    """How scenes are cut into square tiles; lengths are in pixels.

    Args:
        size: Side of a tile.
        overlap: Overlap of neighbouring tiles, less than ``size``.
        iof: Least fraction of a box's area inside a tile for the box to belong to it, in (0, 1].
        pad: RGB of the part of a tile beyond the scene; ImageNet's mean, which BboxToolkit and
            mmrotate write as BGR.
        drop_empty: Leave out tiles without boxes.
        once: Give each box to one tile, see ``dealing``; ``iof`` then says nothing.
        images: Write the pictures of tiles, which most of what is done with masks needs.
    """

    size: int = 1024
    overlap: int = 200
    iof: float = 0.7
    pad: tuple[int, int, int] = (124, 116, 104)
    drop_empty: bool = False
    once: bool = False
    images: bool = True

    @classmethod
    def from_config(cls, config: dict | None) -> 'TileSpec | None':
        """Build from a config's ``tile`` key; None stays None (images are used whole).

        Raises:
            RefusedError: Unknown key or impossible value.
        """
        if config is None:
            return None
        if not isinstance(config, dict):
            raise RefusedError(f'tile: {config!r} is not None or dict(size=1024, overlap=200, ...)')
        if unknown := sorted(set(config) - set(cls.__dataclass_fields__)):
            allowed = ', '.join(cls.__dataclass_fields__)
            raise RefusedError(f'tile: unknown key {unknown[0]!r}; allowed: {allowed}')
        spec = cls(**config)
        for key, fits, allowed in spec._checks():
            if not fits:
                raise RefusedError(f'tile: {key} {getattr(spec, key)!r} must be {allowed}')
        red, green, blue = spec.pad
        return replace(spec, pad=(red, green, blue))

    def _checks(self) -> Iterator[tuple[str, bool, str]]:
        """Yield for each key whether its value is allowed, and what is; later ones need earlier."""
        yield 'size', _whole(self.size, 1), 'a whole number of at least 1'
        last = self.size - 1
        yield 'overlap', _whole(self.overlap, 0, last), f'in 0..{last} (less than size)'
        yield 'iof', isinstance(self.iof, int | float) and 0 < self.iof <= 1, 'in (0, 1]'
        rgb = isinstance(self.pad, list | tuple) and len(self.pad) == 3
        fits = rgb and all(_whole(value, 0, 255) for value in self.pad)
        yield 'pad', fits, 'three values in 0..255 (RGB)'
        yield 'drop_empty', isinstance(self.drop_empty, bool), 'True or False'
        yield 'once', isinstance(self.once, bool), 'True or False'
        yield 'images', isinstance(self.images, bool), 'True or False'

    def as_dict(self) -> dict:
        """Return the settings as plain data, for signatures."""
        settings = {**asdict(self), 'pad': list(self.pad)}
        if not self.once:  # folders from before there was a choice have no such key
            del settings['once']
        if self.images:
            del settings['images']
        return settings


def _whole(value: object, low: int, high: float = float('inf')) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


@dataclass(frozen=True)
class Window:
    """A tile's place in its scene, in pixels; ``width`` and ``height`` include padding."""

    x: int
    y: int
    width: int
    height: int


def tile_stem(scene: str, window: Window) -> str:
    """Return a tile's name, ``SCENE__SIZE__X___Y`` (as DOTA's devkit, so its merger reads it)."""
    return f'{scene}__{window.width}__{window.x}___{window.y}'


def parse_tile_stem(stem: str) -> tuple[str, Window]:
    """Return the scene and the window in a name that ``tile_stem`` made.

    Raises:
        ValueError: It's no such name.
    """
    if not (match := _STEM.fullmatch(stem)):
        raise ValueError(f'{stem!r} is not a tile name SCENE__SIZE__X___Y')
    size, x, y = map(int, match.groups()[1:])
    return match[1], Window(x, y, size, size)


def scene_of_tile(stem: str) -> str | None:
    """Return the scene in a name that ``tile_stem`` made; None of any other name."""
    match = _STEM.fullmatch(stem)
    return match[1] if match else None


def windows(width: int, height: int, spec: TileSpec) -> list[Window]:
    """Return the tiles of a scene in row-major order."""
    xs, ys = (axis_of(side, spec).starts for side in (width, height))
    return [Window(x, y, spec.size, spec.size) for y in ys for x in xs]


def axis_of(side: int, spec: TileSpec) -> Axis:
    """Return where the tiles of a scene lie along one side of it."""
    return Axis(side, spec.size, spec.size - spec.overlap)


def count_tiles(sizes: Mapping[tuple[int, int], int], spec: TileSpec) -> int:
    """Return how many tiles images give; ``sizes`` is their number by ``(width, height)``.

    Example:
        >>> samrs = {(1024, 1024): 16_606, (800, 800): 11_139, (600, 600): 60_940}
        >>> count_tiles(samrs, TileSpec(size=384, overlap=84))
        609707
    """
    return sum(images * len(windows(*size, spec)) for size, images in sizes.items())


def assign(polygons: np.ndarray, tiles: list[Window], iof: float | np.ndarray) -> list[np.ndarray]:
    """Return for each tile the indices of its boxes, ascending.

    A box without area belongs to the tiles that hold its centre; one with NaN to none.

    Args:
        polygons: Corners ``(N, 4, 2)`` in scene pixels.
        tiles: Windows of the scene.
        iof: Least fraction of a box's area inside the tile, one for all or ``(N,)``.
    """
    if not len(polygons):
        return [np.empty(0, int) for _ in tiles]
    finite = np.isfinite(polygons).all(axis=(1, 2))
    safe = np.where(finite[:, None, None], polygons, 0)
    bounds = bounding_boxes(safe)
    centres = (bounds[:, :2] + bounds[:, 2:]) / 2
    shapes = shapely.make_valid(shapely.polygons(safe))
    areas = shapely.area(shapes)
    result = []
    for tile in tiles:
        low, high = (tile.x, tile.y), (tile.x + tile.width, tile.y + tile.height)
        near = finite & (bounds[:, :2] < high).all(axis=1) & (bounds[:, 2:] > low).all(axis=1)
        fraction = np.zeros(len(polygons))
        solid = near & (areas > 0)
        inner = shapely.intersection(shapes[solid], shapely.box(*low, *high))
        fraction[solid] = shapely.area(inner) / areas[solid]
        # rounding leaves the fraction of a box that lies wholly inside a little below 1
        within = (bounds[:, :2] >= low).all(axis=1) & (bounds[:, 2:] <= high).all(axis=1)
        fraction[solid & within] = 1
        flat = finite & (areas == 0)
        inside = (centres >= low).all(axis=1) & (centres < high).all(axis=1)
        fraction[flat & inside] = 1
        result.append(np.flatnonzero(fraction >= iof))
    return result
