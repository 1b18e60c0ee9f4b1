"""Which images there are to annotate, in which order, and which shard does which."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from samrs_mm.core import tiling
from samrs_mm.core.boxes import geometry
from samrs_mm.core.errors import ImageReadError, LabelReadError, RefusedError
from samrs_mm.core.images import image_size
from samrs_mm.core.tiling import TileSpec, Window
from samrs_mm.datasets.boxes.base import BoxDataset


@dataclass(frozen=True, slots=True)
class Unit:
    """One output image: a whole scene, or a tile of it.

    Args:
        index: Place in the plan, from 0.
        stem: Name of its files.
        scene: Index of its scene in the dataset.
        window: The tile, or None for the whole scene.
    """

    index: int
    stem: str
    scene: int
    window: Window | None = None


class Plan:
    """All units of a dataset, scene by scene.

    A scene whose header can't be read stands as one unit without window, so that its failure is
    met, told and recorded where all others are.

    Args:
        dataset: The detection dataset.
        tile: How scenes are cut; None takes them whole.
        progress: Wraps the iterator over scenes, to show progress.

    Raises:
        RefusedError: Two units of one name.
    """

    def __init__(
        self,
        dataset: BoxDataset,
        tile: TileSpec | None,
        progress: Callable[[Iterable], Iterator] = iter,
    ):
        self.dataset, self.tile = dataset, tile
        self.units: list[Unit] = []
        self.by_scene: dict[int, list[Unit]] = {}
        for index in progress(range(len(dataset.scenes))):
            scene = dataset.scenes[index]
            if scene.image is None:
                continue
            self.by_scene[index] = [
                Unit(len(self.units) + k, stem, index, window)
                for k, (stem, window) in enumerate(self._cut(index))
            ]
            self.units += self.by_scene[index]
        stems = [unit.stem for unit in self.units]
        if len(set(stems)) < len(stems):
            twice = next(stem for stem in stems if stems.count(stem) > 1)
            raise RefusedError(f'two images would both be called {twice!r}; rename one of them')

    def _cut(self, index: int) -> list[tuple[str, Window | None]]:
        scene = self.dataset.scenes[index]
        if self.tile is None:
            return [(scene.stem, None)]
        try:
            width, height = image_size(self.dataset.root / scene.image)
            tiles = tiling.windows(width, height, self.tile)
            if self.tile.drop_empty:
                polygons = geometry(self.dataset.labels(index).boxes).polygons
                dealt = tiling.assign(polygons, tiles, self.tile.iof)
                tiles = [tile for tile, boxes in zip(tiles, dealt, strict=True) if len(boxes)]
        except (ImageReadError, LabelReadError):
            return [(scene.stem, None)]
        return [(tiling.tile_stem(scene.stem, tile), tile) for tile in tiles]

    def shard(self, number: int, count: int, limit: int | None = None) -> list[list[Unit]]:
        """Return the units of a shard, grouped by scene.

        A scene is never split, and shards get about equally many units: scenes go, largest first,
        to the shard that has least. Where all scenes count the same that is ``scenes[i::n]``.

        Args:
            number: The shard, from 0.
            count: Number of shards.
            limit: Only the first ``limit`` units of the dataset take part.
        """
        groups = [
            [unit for unit in units if limit is None or unit.index < limit]
            for units in self.by_scene.values()
        ]
        loads = [(0, shard) for shard in range(count)]
        mine = []
        for group in sorted(filter(None, groups), key=len, reverse=True):
            load, shard = heapq.heappop(loads)
            heapq.heappush(loads, (load + len(group), shard))
            if shard == number:
                mine.append(group)
        return sorted(mine, key=lambda group: group[0].index)
