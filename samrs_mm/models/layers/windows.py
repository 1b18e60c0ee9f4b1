"""Cutting maps into square windows for windowed attention, and putting them together again."""

from torch import Tensor


def to_windows(maps: Tensor, size: int) -> Tensor:
    """Cut maps ``(B, H, W, C)`` into windows, row by row; H and W are multiples of ``size``.

    Returns:
        ``(B * H/size * W/size, size * size, C)``.
    """
    batch, height, width, channels = maps.shape
    grid = maps.view(batch, height // size, size, width // size, size, channels)
    return grid.transpose(2, 3).reshape(-1, size * size, channels)


def from_windows(windows: Tensor, size: int, height: int, width: int) -> Tensor:
    """Undo ``to_windows``, into maps ``(B, height, width, C)``."""
    grid = windows.view(-1, height // size, width // size, size, size, windows.shape[-1])
    return grid.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])
