"""Any input size for backbones that need multiples of a stride.

Where a network is traced for any size (``torch.export``), its sizes are open: ``torch.SymInt``. Who
asks such a size a question fixes the answer in the graph; so there maps are padded without asking.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx.experimental.symbolic_shapes import statically_known_true

STRIDES = (4, 8, 16, 32)
LEVELS = (0, 1, 2, 3)


def missing(side: int, divisor: int) -> int:
    """Return what a side lacks to a multiple, in a form by which open sizes become multiples."""
    return parts(side, divisor) * divisor - side


def parts(side: int, divisor: int) -> int:
    """Return ``ceil(side / divisor)``; nothing below 0 is divided, which ONNX would round up."""
    return (side + divisor - 1) // divisor


def is_open(*sizes: int) -> bool:
    """Whether one of the sizes is open."""
    return any(isinstance(size, torch.SymInt) for size in sizes)


def must_pad(*amounts: int) -> bool:
    """Whether there is anything to pad, or may be, as sizes are open."""
    return is_open(*amounts) or any(amounts)


def cut(maps: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return ``maps.narrow(dim, start, length)``, ``dim`` counted from the first or the last.

    A slice of an open size that isn't known to be there has no known size in a graph; what is
    padded by less than nothing has.
    """
    size = maps.shape[dim]
    if not is_open(size, start, length):
        return maps.narrow(dim, start, length)
    behind = -dim if dim < 0 else maps.dim() - dim
    return F.pad(maps, (0, 0) * (behind - 1) + (-start, start + length - size))


def at_least(side: int, least: int) -> int:
    """Return the larger of a side and a number.

    (``torch.sym_max`` takes no tensors, which sizes are where ``torch.jit`` traces.)
    """
    if not is_open(side):
        return max(side, least)
    return side if statically_known_true(side >= least) else torch.sym_max(side, least)


def pad_to_multiple(images: Tensor, divisor: int, least: int = 0) -> Tensor:
    """Pad ``(B, C, H, W)`` with zeros at the right and the bottom, if there is anything to pad.

    Sides become multiples of ``divisor``, and at least ``least``, which is one.
    """
    height, width = images.shape[-2:]
    below, right = (
        parts(at_least(side, least), divisor) * divisor - side for side in (height, width)
    )
    return F.pad(images, (0, right, 0, below)) if must_pad(below, right) else images


def crop_levels(
    levels: Sequence[Tensor], height: int, width: int, out_indices: Sequence[int] = LEVELS
) -> tuple[Tensor, ...]:
    """Cut off what stems from padding.

    Args:
        levels: Maps ``(B, C, h, w)`` of strides 4, 8, 16, 32, or as many of these as
            ``out_indices`` names.
        height: Height of the image before padding.
        width: Its width.
        out_indices: Which levels they are.

    Returns:
        Maps of ``ceil(height / stride) x ceil(width / stride)`` at most.
    """
    return tuple(
        _crop(level, parts(height, STRIDES[index]), parts(width, STRIDES[index]))
        for level, index in zip(levels, out_indices, strict=True)
    )


def _crop(level: Tensor, height: int, width: int) -> Tensor:
    """Return the first rows and columns, as many as there are."""
    if not is_open(*level.shape[-2:], height, width):
        return level[..., :height, :width]
    rows = cut(level, -2, 0, torch.sym_min(level.shape[-2], height))
    return cut(rows, -1, 0, torch.sym_min(level.shape[-1], width))
