"""Scores of whole scenes, from predictions of tiles that overlap."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmseg.registry import METRICS

from samrs_mm.core.atomic import load
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.tiling import TileSpec, Window, axis_of, parse_tile_stem, windows
from samrs_mm.evaluation.metrics.seg_score_metric import SegScoreMetric
from samrs_mm.formats.scenes.tile_index import META, read_scene_sizes


@METRICS.register_module()
class SceneScoreMetric(SegScoreMetric):
    """``SegScoreMetric`` of scenes instead of tiles: each pixel of a scene counts once.

    Tiles overlap, so the paper's scores count a pixel as often as there are tiles that hold it.
    Here it is scored in the tile whose centre is nearest, where the network sees most around it;
    that is, in the map that the tiles' middle parts make when they are laid side by side. Each tile
    is counted by itself, in its own part: no scene is held in memory, and any number of ranks and
    any order of tiles gives the same scores.

    Where a tile lies is in its name, ``SCENE__SIZE__X___Y``; the sizes of the scenes are in the
    ``tiles.json`` that ``prepare_potsdam.py`` or ``prepare_isaid.py`` wrote, in a folder above.
    Predicted maps (``output_dir``) stay those of whole tiles.

    Args:
        **kwargs: As for ``SegScoreMetric``.

    Raises:
        RefusedError: While scoring, a tile that those tools didn't cut.
    """

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of the parts that a batch of tiles stands for.

        Samples are dicts with ``img_path``, ``pred_sem_seg`` and ``gt_sem_seg``, each ``(1, size,
        size)``.
        """
        if self.format_only:
            super().process(data_batch, data_samples)
            return
        for sample in data_samples:
            path = Path(sample['img_path'])
            scene, tile = _tile_of(path)
            size, spec = _scene_size(_root_of(path.parent), scene)
            rows, columns = own_part(size, spec, tile)
            truth = sample['gt_sem_seg']['data']
            own = torch.full_like(truth, self.ignore_index)
            own[..., rows, columns] = truth[..., rows, columns]
            super().process(data_batch, [sample | dict(gt_sem_seg=dict(data=own))])
            self.results[-1] = (str(path), self.results[-1])

    def compute_metrics(self, results: Sequence[tuple[str, np.ndarray]]) -> dict[str, float]:
        """Return the scores in percent, as ``SegScoreMetric`` does.

        ``results`` are path and confusion matrix ``(K, K)`` of all tiles and all ranks. A tile that
        is there twice counts once; that tiles are missing is logged as a warning.
        """
        counts = {} if self.format_only else dict(results)
        _warn_of_missing([Path(path) for path in counts])
        return super().compute_metrics(list(counts.values()))


def own_part(size: tuple[int, int], spec: TileSpec, tile: Window) -> tuple[slice, slice]:
    """Return rows and columns of a tile, in its own pixels, to which no other tile is nearer.

    A pixel midway between two centres goes to the tile on the right or below. The parts of all
    tiles of a scene, whose ``size`` is (width, height), cover it without overlap.
    """
    parts = []
    for side, start in ((size[1], tile.y), (size[0], tile.x)):
        axis = axis_of(side, spec)
        first, end = axis.owned[axis.starts.index(start)]
        parts.append(slice(first - start, end - start))
    return parts[0], parts[1]


def _tile_of(path: Path) -> tuple[str, Window]:
    try:
        return parse_tile_stem(path.stem)
    except ValueError as error:
        raise RefusedError(f'SceneScoreMetric: {error}; score images by SegScoreMetric') from error


@cache
def _root_of(folder: Path) -> Path:
    """Return the folder of the split: it is above that of the images, or of the packed store."""
    for parent in (folder, *folder.parents):
        if (parent / META).exists():
            return parent
    raise RefusedError(
        f'SceneScoreMetric: no {META} in or above {folder}; cut the tiles with prepare_potsdam.py '
        'or prepare_isaid.py, or score images by SegScoreMetric'
    )


@cache
def _scene_size(root: Path, scene: str) -> tuple[tuple[int, int], TileSpec]:
    """Return width and height of a scene, and how it was cut."""
    sizes = read_scene_sizes(root)
    tile = load((root / META).read_bytes())['settings']['tile']
    if scene not in sizes:
        raise RefusedError(f'SceneScoreMetric: {root / META} has no scene {scene!r}; cut it anew')
    return sizes[scene], TileSpec(size=tile['size'], overlap=tile['overlap'])


def _warn_of_missing(paths: Sequence[Path]) -> None:
    scored = defaultdict(set)
    for path in paths:
        scene, tile = _tile_of(path)
        scored[_root_of(path.parent), scene].add(tile)
    for (root, scene), tiles in scored.items():
        size, spec = _scene_size(root, scene)
        missing = len(set(windows(*size, spec)) - tiles)
        if missing:
            print_log(
                f'{missing} of the {len(tiles) + missing} tiles of scene {scene} were not scored, '
                'nor is their part of it',
                logger='current',
                level=logging.WARNING,
            )
