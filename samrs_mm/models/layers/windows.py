"""Cutting maps into square windows for windowed attention, and putting them together again."""

import torch
from torch import Tensor

from samrs_mm.models.layers.sizes import is_open


def to_windows(maps: Tensor, size: int) -> Tensor:
    """Cut maps ``(B, H, W, C)`` into windows, row by row; H and W are multiples of ``size``.

    Returns:
        ``(B * H/size * W/size, size * size, C)``.
    """
    batch, height, width, channels = maps.shape
    grid = maps.view(batch, height // size, size, width // size, size, channels)
    return _swapped(grid, height, width).reshape(-1, size * size, channels)


def from_windows(windows: Tensor, size: int, height: int, width: int) -> Tensor:
    """Undo ``to_windows``, into maps ``(B, height, width, C)``."""
    grid = windows.view(-1, height // size, width // size, size, size, windows.shape[-1])
    return _swapped(grid, height, width).reshape(-1, height, width, windows.shape[-1])


def _swapped(grid: Tensor, height: int, width: int) -> Tensor:
    """Return a grid with columns of windows before the rows in them.

    Of open sizes it is copied at once: ``reshape`` would ask whether there is one window only.
    """
    swapped = grid.transpose(2, 3)
    if is_open(height, width):
        return swapped.clone(memory_format=torch.contiguous_format)
    return swapped
