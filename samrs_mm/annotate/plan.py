"""Which images there are to annotate, in which order, and which shard does which."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from samrs_mm.core import dealing, tiling
from samrs_mm.core.boxes import BoxLabel, geometry
from samrs_mm.core.errors import ImageReadError, LabelReadError, RefusedError
from samrs_mm.core.grid import grid_windows
from samrs_mm.core.images import image_size, is_streamed
from samrs_mm.core.regions import ANY_SHARE, least_shares
from samrs_mm.core.tiling import TileSpec, Window
from samrs_mm.datasets.boxes.base import BoxDataset

PIECE = 64
"""Tiles of a scene of which windows can be read that are handed out together."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One output image: a window of a scene, or a whole scene (``window`` None).

    ``index`` is its place in the plan, ``scene`` that of its scene in the dataset, both from 0;
    ``stem`` is the name of its files.
    """

    index: int
    stem: str
    scene: int
    window: Window | None = None


class Plan:
    """All tiles of a dataset, scene by scene.

    A scene whose header can't be read stands as one tile without window, so that its failure is
    met and recorded where all others are.

    Without a ``spec`` all scenes are taken whole; with ``spec.once`` the windows of large boxes
    follow those of the grid. ``progress`` wraps the iterator over scenes. Windows are of all
    ``scales``, see ``grid_windows``.

    Raises:
        RefusedError: Two tiles of one name.
    """

    def __init__(
        self,
        dataset: BoxDataset,
        spec: TileSpec | None,
        progress: Callable[[Iterable], Iterator] = iter,
        scales: Sequence[int] = (1,),
    ):
        self.dataset, self.spec, self.scales = dataset, spec, scales
        self.tiles: list[Tile] = []
        self.by_scene: dict[int, list[Tile]] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._firsts: dict[tuple[int, int], int] = {}
        self._streamed: dict[int, bool] = {}
        self._deal: tuple[int, np.ndarray, dict[Window, np.ndarray]] | None = None
        for index in progress(range(len(dataset.scenes))):
            scene = dataset.scenes[index]
            if scene.image is None:
                continue
            self.by_scene[index] = [
                Tile(len(self.tiles) + k, stem, index, window)
                for k, (stem, window) in enumerate(self._cut(index))
            ]
            self.tiles += self.by_scene[index]
        stems = [tile.stem for tile in self.tiles]
        if len(set(stems)) < len(stems):
            twice = next(stem for stem in stems if stems.count(stem) > 1)
            raise RefusedError(f'two images would both be called {twice!r}; rename one of them')

    def _cut(self, index: int) -> list[tuple[str, Window | None]]:
        scene = self.dataset.scenes[index]
        if self.spec is None:
            return [(scene.stem, None)]
        try:
            width, height = image_size(self.dataset.image_path(index))
            windows = grid_windows(width, height, self.spec, self.scales)
            if self.spec.drop_empty or self.spec.once:
                windows = self._windows_of_boxes(index, windows, (width, height))
        except (ImageReadError, LabelReadError):
            return [(scene.stem, None)]
        return [(tiling.tile_stem(scene.stem, window), window) for window in windows]

    def _windows_of_boxes(
        self, index: int, windows: list[Window], size: tuple[int, int]
    ) -> list[Window]:
        """Return the windows of a scene where these depend on its boxes."""
        assert self.spec is not None
        objects = [each for each in self.dataset.labels(index).boxes if not each.meaning]
        polygons = geometry(objects).polygons
        if self.spec.once:
            self._sizes[index] = size
            windows = windows + dealing.own_windows(polygons, *size, self.spec)
            rows = dealing.deal(polygons, windows, *size)
        else:
            rows = tiling.assign(polygons, windows, self.spec.iof)
        if not self.spec.drop_empty:
            return windows
        return [each for each, held in zip(windows, rows, strict=True) if len(held)]

    def pictured(self, tile: Tile) -> bool:
        """Whether a tile is listed with a picture of its own: a window, or shown by a rule."""
        return tile.window is not None or self.dataset.image_rule is not None

    def place(self, tile: Tile) -> tuple[int, int]:
        """Return which of ``scales`` a tile is of, and its number among those of its scene."""
        if tile.window is None:
            return 0, 0
        assert self.spec is not None
        side = tile.window.width
        if (tile.scene, side) not in self._firsts:
            for other in self.by_scene[tile.scene]:
                if other.window is not None:
                    self._firsts.setdefault((tile.scene, other.window.width), other.index)
        number = tile.index - self._firsts[tile.scene, side]
        return self.scales.index(side // self.spec.size), number

    def assign(
        self, tiles: Sequence[Tile], labels: Sequence[BoxLabel], polygons: np.ndarray
    ) -> list[np.ndarray]:
        """Return for each of these tiles of a scene the rows of its boxes, ascending.

        A scene that is taken whole has all of them. A region stands in every tile that it reaches
        into.

        Args:
            tiles: Tiles of one scene, not necessarily all.
            labels: All labels of the scene.
            polygons: Their corners ``(N, 4, 2)`` in scene pixels.
        """
        windows = [tile.window for tile in tiles if tile.window]
        if self.spec is None or not windows:
            return [np.arange(len(labels))] * len(tiles)
        if not self.spec.once:
            return tiling.assign(polygons, windows, least_shares(labels, self.spec.iof))
        regions = np.array([bool(label.meaning) for label in labels], bool)
        objects, scene = np.flatnonzero(~regions), tiles[0].scene
        own = self._dealt(scene, polygons[objects])
        reached = tiling.assign(polygons, windows, np.where(regions, ANY_SHARE, np.inf))
        return [
            np.sort(np.concatenate([objects[own[window]], held]))
            for window, held in zip(windows, reached, strict=True)
        ]

    def _dealt(self, scene: int, polygons: np.ndarray) -> dict[Window, np.ndarray]:
        """Return the rows of a scene's objects by window; the last deal is kept, for its pieces."""
        if self._deal is None or self._deal[0] != scene or not _same(self._deal[1], polygons):
            windows = [tile.window for tile in self.by_scene[scene] if tile.window]
            rows = dealing.deal(polygons, windows, *self._sizes[scene])
            self._deal = scene, polygons, dict(zip(windows, rows, strict=True))
        return self._deal[2]

    def shard(self, number: int, count: int, limit: int | None = None) -> list[list[Tile]]:
        """Return the tiles of shard ``number`` (from 0) of ``count``, in groups of one scene each.

        A scene is one group, but a large one of which windows can be read from disk is several.
        Shards get about equally many tiles: groups go, largest first, to the shard that has least.
        Where all count the same that is ``groups[i::n]``. Only the first ``limit`` tiles of the
        dataset take part.
        """
        groups = [
            [tile for tile in tiles if limit is None or tile.index < limit]
            for scene in self.by_scene
            for tiles in self._pieces(scene)
        ]
        loads = [(0, shard) for shard in range(count)]
        mine = []
        for group in sorted(filter(None, groups), key=len, reverse=True):
            load, shard = heapq.heappop(loads)
            heapq.heappush(loads, (load + len(group), shard))
            if shard == number:
                mine.append(group)
        return sorted(mine, key=lambda group: group[0].index)

    def in_pieces(self, scene: int) -> bool:
        """Whether the tiles of a scene are handed out in several groups."""
        many = len(self.by_scene.get(scene, ())) > PIECE
        if many and scene not in self._streamed:
            self._streamed[scene] = is_streamed(self.dataset.image_path(scene))
        return many and self._streamed[scene]

    def _pieces(self, scene: int) -> list[list[Tile]]:
        """Return the tiles of a scene in the groups that are handed out."""
        tiles = self.by_scene[scene]
        if not self.in_pieces(scene):
            return [tiles]
        return [tiles[first : first + PIECE] for first in range(0, len(tiles), PIECE)]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=True)
