"""Masks without boxes: a grid of points over an image, as SAM's automatic mask generator has it.

Source: Kirillov et al. 2023, arXiv:2304.02643, section 4 (fully automatic stage) and appendix B.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.tiling import TileSpec, Window, windows

GRID = 'grid'
"""Name of the prompt setting."""

OBJECT = 'object'
"""The one class of its masks."""

CHOICES = 3
"""Masks that the network makes of a point: of the whole, a part, a part of that."""


@dataclass(frozen=True)
class GridSpec:
    """Where the points are, and which masks are taken.

    Args:
        side: Points a side of a window, for each scale.
        scale: Sides of windows as multiples of ``tile.size``, ascending from 1. Small windows see
            small objects, large ones those that no small one holds.
        min_score: A mask's predicted IoU is above; 0 takes all.
        min_stability: Least stability score; 0 takes all.
        nms: Of masks whose upright boxes share more (IoU) within a window, the best one is taken.
    """

    side: tuple[int, ...] = (32, 16, 8)
    scale: tuple[int, ...] = (1, 2, 4)
    min_score: float = 0.88
    min_stability: float = 0.95
    nms: float = 0.7

    @classmethod
    def from_config(cls, config: Any) -> 'GridSpec':
        """Build from a config's ``grid`` key; None takes the defaults.

        Raises:
            RefusedError: Unknown key or impossible value.
        """
        names = list(cls.__dataclass_fields__)
        if not isinstance(config, dict | None):
            raise RefusedError(f'grid={config!r}; allowed: None or dict({names[0]}=..., ...)')
        if unknown := sorted(set(config or {}) - set(names)):
            raise RefusedError(f'grid: unknown key {unknown[0]!r}; allowed: {", ".join(names)}')
        spec = cls(**(config or {}))
        for key in ('side', 'scale'):
            value = getattr(spec, key)
            found = (value,) if type(value) is int else tuple(value) if _is_list(value) else ()
            if not found or not all(type(each) is int and each >= 1 for each in found):
                raise RefusedError(f'grid.{key}={value!r}; allowed: whole numbers from 1')
            spec = _with(spec, key, found)
        if len(spec.side) != len(spec.scale):
            raise RefusedError(
                f'grid.side={spec.side!r} and grid.scale={spec.scale!r} differ in length; give a '
                'number of points for each scale'
            )
        if spec.scale[0] != 1 or list(spec.scale) != sorted(set(spec.scale)):
            raise RefusedError(f'grid.scale={spec.scale!r}; allowed: 1 and larger ones, ascending')
        for key in names[2:]:
            value = getattr(spec, key)
            if type(value) not in (int, float) or not 0 <= value <= 1:
                raise RefusedError(f'grid.{key}={value!r}; allowed: 0 to 1')
            spec = _with(spec, key, float(value))
        return spec

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain data, for signatures."""
        return {**asdict(self), 'side': list(self.side), 'scale': list(self.scale)}


def _with(spec: GridSpec, key: str, value: Any) -> GridSpec:
    return replace(spec, **{key: value})


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def grid_windows(width: int, height: int, spec: TileSpec, scales: Sequence[int]) -> list[Window]:
    """Return the windows of a scene, scale by scale.

    A scale is left out where a window of the one before holds the whole scene.
    """
    found: list[Window] = []
    for k in scales:
        if found and found[-1].width >= max(width, height):
            break
        found += windows(width, height, replace(spec, size=spec.size * k, overlap=spec.overlap * k))
    return found


@dataclass(frozen=True)
class GridPrompts:
    """The points of one window.

    Args:
        spec: Which masks are taken.
        layer: Place of the window's scale.
        first: Number of its first point among those of the scene's windows of that scale.
        size: Width and height of the window in pixels, without padding.
        valid: Which of its pixels have data, ``(H, W)`` bool; None says all.
        category: Class name of its masks.
    """

    spec: GridSpec
    layer: int
    first: int
    size: tuple[int, int]
    valid: np.ndarray | None = None
    category: str = OBJECT

    @property
    def side(self) -> int:
        """Points a side."""
        return self.spec.side[self.layer]

    def __len__(self) -> int:
        """Return the number of points, those without data included."""
        return self.side**2

    def on_data(self, points: np.ndarray) -> np.ndarray:
        """Return which of the points ``(n, 2)`` x, y in pixels lie on data, as places, ascending.

        What lies elsewhere is not prompted.
        """
        if self.valid is None:
            return np.arange(len(points))
        x, y = points.astype(int).T
        return np.flatnonzero(self.valid[y, x])

    def box_id(self, point: int, choice: int) -> str:
        """Return the name of a mask: ``grid:LAYER:POINT:K``, unique in the scene.

        Args:
            point: Its point in the window, row by row from 0.
            choice: Which of the masks of that point, from 0.
        """
        return f'{GRID}:{self.layer}:{self.first + point}:{choice}'
