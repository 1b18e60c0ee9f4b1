"""The core of deformable attention and of DCNv3, by mmcv's compiled op or its PyTorch form.

Source: Zhu et al. 2021, arXiv:2010.04159, equation 3.
"""

import functools
import logging
from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from torch import Tensor

from samrs_mm.core.errors import RefusedError


def require_mmcv_ops(needed_by: str) -> None:
    """Make sure, while a network is built, that ``sample_deformably`` will run.

    Raises:
        RefusedError: mmcv has no ``mmcv.ops``.
    """
    try:
        import mmcv.ops  # noqa: F401
    except ImportError as error:
        raise RefusedError(
            f'{needed_by} needs mmcv.ops ({error}): install mmcv instead of mmcv-lite'
        ) from error


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

    mmcv can be built without CUDA, or for other GPUs; in the latter case its op returns zeros.
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
