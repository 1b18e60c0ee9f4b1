"""Any input size for backbones that need multiples of a stride."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

STRIDES = (4, 8, 16, 32)
LEVELS = (0, 1, 2, 3)


def pad_to_multiple(images: Tensor, divisor: int, least: int = 0) -> Tensor:
    """Pad ``(B, C, H, W)`` with zeros at the right and the bottom, if there is anything to pad.

    Sides become multiples of ``divisor``, and at least ``least``, which is one.
    """
    height, width = images.shape[-2:]
    missing = tuple(max(side + -side % divisor, least) - side for side in (width, height))
    return F.pad(images, (0, missing[0], 0, missing[1])) if any(missing) else images


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
        level[..., : -(-height // STRIDES[index]), : -(-width // STRIDES[index])]
        for level, index in zip(levels, out_indices, strict=True)
    )
