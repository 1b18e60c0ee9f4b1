"""Each box in one tile: where it lies farthest from the edges, or in a window of its own."""

import numpy as np

from samrs_mm.core.boxes import bounding_boxes
from samrs_mm.core.tiling import TileSpec, Window, windows

MARGIN = 16
"""Pixels around a box that a window must have to hold it, except at the border of the scene."""

_SURROUNDINGS = 1.25
"""Side of a box's own window, in longest sides of the box, beside the margins."""


def own_windows(polygons: np.ndarray, width: int, height: int, spec: TileSpec) -> list[Window]:
    """Return windows for the boxes that no tile of the grid holds, in row-major order.

    Largest boxes first, so that the window of a large one serves the small ones in it.

    Args:
        polygons: Corners ``(N, 4, 2)`` in scene pixels.
        width: Width of the scene.
        height: Height of the scene.
        spec: Size and overlap of the grid's tiles.
    """
    grid = windows(width, height, spec)
    bounds = _inside(polygons, width, height)
    sides = (bounds[:, 2:] - bounds[:, :2]).max(axis=1, initial=0)
    centres = (bounds[:, :2] + bounds[:, 2:]) / 2
    waiting = _there(bounds) & (_room(bounds, grid, width, height) < MARGIN).all(axis=1)
    found: list[Window] = []
    for row in np.argsort(-np.nan_to_num(sides), kind='stable'):
        if not waiting[row]:
            continue
        side = max(spec.size, int(np.ceil(sides[row] * _SURROUNDINGS)) + 2 * MARGIN)
        last = np.maximum([width - side, height - side], 0)
        x, y = np.clip(np.rint(centres[row] - side / 2), 0, last).astype(int).tolist()
        found.append(Window(x, y, side, side))
        waiting &= _room(bounds, found[-1:], width, height)[:, 0] < MARGIN
        waiting[row] = False
    return sorted(set(found) - set(grid), key=lambda each: (each.y, each.x, each.width))


def deal(polygons: np.ndarray, tiles: list[Window], width: int, height: int) -> list[np.ndarray]:
    """Return for each tile the indices of its boxes, ascending; no box has two tiles.

    A box goes to the tile in which it lies farthest from those edges that are not the scene's, to
    the smallest and then the first of equals. One outside the scene, or with NaN, has none.

    Args:
        polygons: Corners ``(N, 4, 2)`` in scene pixels.
        tiles: Windows of the scene; those that would get no box may be missing.
        width: Width of the scene.
        height: Height of the scene.
    """
    if not len(polygons) or not tiles:
        return [np.empty(0, int) for _ in tiles]
    bounds = _inside(polygons, width, height)
    by_size = np.argsort([tile.width for tile in tiles], kind='stable')
    room = _room(bounds, [tiles[place] for place in by_size], width, height)
    best = np.where(_there(bounds), by_size[room.argmax(axis=1)], -1)
    return [np.flatnonzero(best == place) for place in range(len(tiles))]


def rooms(polygons: np.ndarray, tile: Window, width: int, height: int) -> np.ndarray:
    """Return how far ``(N,)`` boxes ``(N, 4, 2)`` are from a tile's edges; see ``deal``."""
    return _room(_inside(polygons, width, height), [tile], width, height)[:, 0]


def _inside(polygons: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the bounds ``(N, 4)`` of what of the boxes lies in the scene."""
    bounds = bounding_boxes(polygons.reshape(-1, 4, 2))
    low, high = np.maximum(bounds[:, :2], 0), np.minimum(bounds[:, 2:], (width, height))
    return np.concatenate([low, high], axis=1)


def _there(bounds: np.ndarray) -> np.ndarray:
    """Return whether bounds ``(N, 4)`` have a place in the scene; NaN has none."""
    return np.all(bounds[:, 2:] >= bounds[:, :2], axis=1)


def _room(bounds: np.ndarray, tiles: list[Window], width: int, height: int) -> np.ndarray:
    """Return the least distance ``(N, T)`` of bounds from the edges of tiles, negative beyond them.

    The border of the scene is no edge, since nothing is cut there. NaN becomes ``-inf``.
    """
    x0, y0, x1, y1 = bounds.T[..., None]
    sides = np.array([(t.x, t.y, t.x + t.width, t.y + t.height) for t in tiles], float).T
    left, top, right, bottom = sides
    room = np.min(
        [
            np.where(left > 0, x0 - left, np.inf), np.where(top > 0, y0 - top, np.inf),
            np.where(right < width, right - x1, np.inf),
            np.where(bottom < height, bottom - y1, np.inf),
        ],
        axis=0,
    )  # fmt: skip
    return np.where(np.isnan(room), -np.inf, room)
