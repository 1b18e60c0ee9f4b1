"""Low-resolution logits of the SAM family scaled up to masks of the image."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from samrs_mm.core.errors import SegmentorError
from samrs_mm.models.prompt_segmentors.base import MaskChunk
from samrs_mm.models.prompt_segmentors.device_masks import DeviceMasks
from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.in_parts import in_parts
from samrs_mm.models.prompt_segmentors.logit_windows import logit_window

PIXELS_AT_ONCE = 2**25
"""Logits scaled up to image size at once; doesn't change them, so it is no setting."""


@dataclass(frozen=True)
class ScaledMask:
    """A mask, where it is, and how stable it is.

    Args:
        mask: ``(h, w)`` bool in Fortran order, as the RLE encoder reads it.
        y: The image's row of its first pixel.
        x: The image's column of its first pixel.
        stability: AMG's score with offset 1, ``(1,)`` float32 in [0, 1]; 0 without a pixel.
    """

    mask: np.ndarray
    y: int
    x: int
    stability: np.ndarray


def scale_up(low_res: torch.Tensor, frame: Frame, threshold: float = 0.0) -> Iterator[ScaledMask]:
    """Return the masks and stability scores of logits, in order.

    On the CPU a mask is made when it is asked for. A GPU is given the work at once, and waited for
    when the first mask is asked for.

    Args:
        low_res: Logits ``(n, S / 4, S / 4)`` float32.
        frame: Where the image lies.
        threshold: Logits above it are the mask.

    Raises:
        SegmentorError: No memory for a single mask.
    """
    if low_res.device.type == 'cpu':
        return _on_cpu(low_res, frame, threshold)
    return taken(_queued(low_res, frame, threshold))


def _on_cpu(low_res: torch.Tensor, frame: Frame, threshold: float) -> Iterator[ScaledMask]:
    def work(part: slice) -> ScaledMask:
        found = logit_window(low_res[part.start], frame, threshold)
        return ScaledMask(found.mask(threshold), found.y, found.x, found.stability(threshold)[None])

    for _, made in in_parts(work, len(low_res), 1):
        yield made


def _queued(low_res: torch.Tensor, frame: Frame, threshold: float) -> list[DeviceMasks]:
    height, width = frame.original_size
    at_once = max(1, PIXELS_AT_ONCE // (height * width))

    def work(part: slice) -> DeviceMasks:
        return DeviceMasks.queue(low_res[part], frame, threshold)

    return [made for _, made in in_parts(work, len(low_res), at_once)]


def taken(queued: Iterable[DeviceMasks]) -> Iterator[ScaledMask]:
    """Yield masks that come off a device, which is waited for."""
    for masks in queued:
        for window in masks.windows():
            yield ScaledMask(*window)


def mask_chunks(
    made: Iterator[ScaledMask], told: Sequence[torch.Tensor], frame: Frame, notes: tuple[str, ...]
) -> Iterator[MaskChunk]:
    """Yield masks with what is told of them, which is there when the first mask is.

    ``told`` are scores ``(n,)`` and, of members that choose, which mask it is ``(n,)``.
    """
    scores, *choices = (each.numpy() for each in told)
    for i, mask in enumerate(made):
        if not i and not np.isfinite(scores).all():
            raise SegmentorError('the predicted IoU is NaN; are the weights whole?')
        window = mask.y, mask.x, *frame.original_size
        chosen = choices[0][i : i + 1] if choices else None
        yield MaskChunk(mask.mask[None], scores[i : i + 1], mask.stability, notes, window, chosen)
