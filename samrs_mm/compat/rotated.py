"""Faults of mmrotate's oriented boxes and of mmcv's overlap of them, mended from outside."""

import importlib
import types
from multiprocessing.pool import ThreadPool
from typing import Any

import numpy as np
import torch
from torch import Tensor

_CORNERS = 8
"""Of the 24 points that mmcv takes for an intersection, the first are corners of either box."""


def mend() -> None:
    """Mend what networks of ``mmrotate.models`` use; called when these are about to be imported.

    - ``RotatedIoULoss`` sorts points by an op that there is for GPUs only: sorted by torch on CPUs.
    - ``RotatedBoxes.overlaps`` hands on ``eps``, which ``rbbox_overlaps`` doesn't know.
    - ``RotatedBoxes.from_instance_masks`` takes rows for x: boxes lie elsewhere than their masks.
    - ``DOTAMetric`` starts four new interpreters for each evaluation, which takes longer than its
      sums, and runs a script without a guard of ``__main__`` again: they are threads here.
    """
    iou: Any = importlib.import_module('mmcv.ops.diff_iou_rotated')
    boxes: Any = importlib.import_module('mmrotate.structures.bbox')
    if not hasattr(iou.sort_indices, 'on_gpu'):
        iou.sort_indices = _Sort(iou.sort_indices)
        boxes.RotatedBoxes.overlaps = staticmethod(_overlaps)
        boxes.RotatedBoxes.from_instance_masks = staticmethod(_from_instance_masks)
        means: Any = importlib.import_module('mmrotate.evaluation.functional.mean_ap')
        means.get_context = lambda method: types.SimpleNamespace(Pool=ThreadPool)


class _Sort:
    """mmcv's op on GPUs, torch on CPUs."""

    def __init__(self, on_gpu: Any):
        self.on_gpu = on_gpu

    def __call__(self, vertices: Tensor, mask: Tensor) -> Tensor:
        """Return the order of an intersection's corners, around it.

        Args:
            vertices: ``(B, N, 24, 2)``: corners of both boxes, then crossings of their sides, which
                are (0, 0) where there is none.
            mask: ``(B, N, 24)`` bool, the points that are the intersection's corners.

        Returns:
            ``(B, N, 25)``, on GPUs ``(B, N, 9)``: places of the corners, the first again, then of a
            crossing that there isn't, which adds no area.
        """
        return self.on_gpu(vertices, mask) if vertices.is_cuda else sort_corners(vertices, mask)


@torch.no_grad()
def sort_corners(vertices: Tensor, mask: Tensor) -> Tensor:
    """Sort by the angle about the mean; see ``_Sort``."""
    count = mask.sum(2, keepdim=True)  # (B, N, 1)
    centre = (vertices * mask[..., None]).sum(2, keepdim=True) / count.clamp(min=1)[..., None]
    x, y = (vertices - centre).unbind(-1)
    order = torch.atan2(y, x).masked_fill(~mask, torch.inf).argsort(2)
    order = torch.cat([order, order[..., :1]], 2)
    place = torch.arange(order.shape[2], device=order.device).expand_as(order)
    nothing = _CORNERS + mask[..., _CORNERS:].int().argmin(2, keepdim=True)
    order = torch.where(place < count, order, nothing)
    order = torch.where(place == count, order[..., :1], order)
    return torch.where(count < 3, nothing, order)


def _overlaps(
    boxes1: Any, boxes2: Any, mode: str = 'iou', is_aligned: bool = False, eps: float = 1e-6
) -> Tensor:
    """As ``RotatedBoxes.overlaps``."""
    bbox: Any = importlib.import_module('mmrotate.structures.bbox')
    pair = (boxes.convert_to('rbox').tensor for boxes in (boxes1, boxes2))
    return bbox.rbbox_overlaps(*pair, mode=mode, is_aligned=is_aligned)


def _from_instance_masks(masks: Any) -> Any:
    """As ``RotatedBoxes.from_instance_masks``."""
    bbox: Any = importlib.import_module('mmrotate.structures.bbox')
    if not len(masks):
        return bbox.RotatedBoxes(np.zeros((0, 5), np.float32))
    return bbox.QuadriBoxes.from_instance_masks(masks).convert_to('rbox')
