"""Low-resolution logits of the SAM family scaled up to masks of the image."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.in_parts import in_parts
from samrs_mm.models.prompt_segmentors.logit_windows import logit_window

PIXELS_AT_ONCE = 2**25
"""Logits scaled up to image size at once; doesn't change them, so it is no setting."""


@dataclass(frozen=True)
class ScaledMasks:
    """Masks of a run of logits, in their order.

    Args:
        masks: ``(n, h, w)`` bool, each in Fortran order, as the RLE encoder reads them.
        stability: ``(n,)`` float32 in [0, 1]; AMG's score with offset 1, 0 for a mask without a
            pixel.
        window: As of ``MaskChunk``; None where the masks are of the image's size.
    """

    masks: np.ndarray
    stability: np.ndarray
    window: tuple[int, int, int, int] | None = None


def scale_up(low_res: torch.Tensor, frame: Frame, threshold: float = 0.0) -> Iterator[ScaledMasks]:
    """Yield the masks and stability scores of logits, in order, one at a time.

    Args:
        low_res: Logits ``(n, S / 4, S / 4)`` float32.
        frame: Where the image lies.
        threshold: Logits above it are the mask.

    Raises:
        SegmentorError: No memory for a single mask.
    """
    work = partial(_on_cpu, low_res.cpu(), frame, threshold)
    for _, made in in_parts(work, len(low_res), 1):
        yield made


def _on_cpu(low_res: torch.Tensor, frame: Frame, threshold: float, part: slice) -> ScaledMasks:
    """Scale up one mask."""
    found = logit_window(low_res[part.start], frame, threshold)
    return ScaledMasks(
        found.mask(threshold)[None],
        found.stability(threshold)[None],
        (found.y, found.x, *frame.original_size),
    )
