"""The core of deformable attention and of DCNv3, by mmcv's compiled op or its PyTorch form.

Source: Zhu et al. 2021, arXiv:2010.04159, equation 3.
"""

import functools
import logging
from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from torch import Tensor


def sample_deformably(
    value: Tensor, shapes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """Sum weighted, bilinearly interpolated samples of maps; beyond their borders is 0.

    Computed in float32 at least: a coordinate in bfloat16 may be off by pixels.

    Args:
        value: Levels, flattened and joined, ``(B, sum(h * w), heads, c)``.
        shapes: ``(h, w)`` of each level.
        locations: ``(B, Q, heads, levels, points, 2)`` as (x, y); (0, 0) is the top left corner of
            the top left pixel, (1, 1) the bottom right corner of the last.
        weights: ``(B, Q, heads, levels, points)``.

    Returns:
        ``(B, Q, heads * c)``, of the dtype of ``value``.
    """
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    dtype = value.dtype
    precise = torch.promote_types(dtype, torch.float32)
    value, locations, weights = (part.to(precise) for part in (value, locations, weights))
    if value.is_cuda and has_compiled_op(value.device):
        return _sample_compiled(value, shapes, locations, weights).to(dtype)
    return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights).to(dtype)


@functools.cache
def has_compiled_op(device: torch.device) -> bool:
    """Try mmcv's compiled op once on a device; warn if it isn't to be had there.

    mmcv can be built without ops, without CUDA, or for other GPUs, where its op returns zeros.
    """
    one = torch.ones(1, 1, 1, 1, device=device)
    middle = torch.full((1, 1, 1, 1, 1, 2), 0.5, device=device)
    try:
        works = bool(_sample_compiled(one, [(1, 1)], middle, one.view(1, 1, 1, 1, 1)) == 1)
    except RuntimeError:
        works = False
    if not works:
        print_log(
            f'this mmcv has no deformable attention for {device}: PyTorch computes it, slower and '
            'with more memory; an mmcv built with CUDA for this GPU has it',
            logger='current',
            level=logging.WARNING,
        )
    return works


def spare_compiled_op(device: torch.device) -> None:
    """Let mmcv's own deformable attention do without its op where that isn't to be had.

    It asks only whether a tensor is on a GPU, whatever mmcv was built for.
    """
    if device.type == 'cuda' and not has_compiled_op(device):
        from mmcv.ops import multi_scale_deform_attn

        multi_scale_deform_attn.IS_CUDA_AVAILABLE = False


def _sample_compiled(
    value: Tensor, shapes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """Do the same by the compiled op; arguments as for ``sample_deformably``."""
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    sizes = torch.tensor(shapes, device=value.device)
    area = sizes.prod(1)
    return MultiScaleDeformableAttnFunction.apply(
        value.contiguous(),
        sizes,
        area.cumsum(0) - area,
        locations.contiguous(),
        weights.contiguous(),
        len(value),  # im2col_step has to divide the batch
    )
