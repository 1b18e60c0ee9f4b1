"""Low-resolution logits of the SAM family scaled up to masks of the image."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from samrs_mm.models.prompt_segmentors.in_parts import in_parts

PIXELS_AT_ONCE = 2**25
"""Logits scaled up to image size at once; doesn't change them, so it is no setting."""


@dataclass(frozen=True)
class Frame:
    """Where an image lies in the square of pixels that a network of the SAM family sees.

    Args:
        side: Of the square, S, in pixels; logits have S / 4.
        original_size: Height and width of the image in pixels.
        stretched: The image fills the square (SAM 2, SAM 3). Else its longer side is S, and what
            is right of it and below is padding (SAM, HQ-SAM, MobileSAM).
    """

    side: int
    original_size: tuple[int, int]
    stretched: bool = False

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the image in the square, in pixels."""
        if self.stretched:
            return self.side, self.side
        height, width = self.original_size
        scale = self.side / max(height, width)
        return int(height * scale + 0.5), int(width * scale + 0.5)


@dataclass(frozen=True)
class ScaledMasks:
    """Masks of a run of logits, in their order.

    Args:
        masks: ``(n, H, W)`` bool, each in Fortran order, as the RLE encoder reads them.
        stability: ``(n,)`` in [0, 1]; AMG's score with offset 1, 0 for a mask without a pixel.
        window: As of ``MaskChunk``; None where the masks are of the image's size.
    """

    masks: np.ndarray
    stability: np.ndarray
    window: tuple[int, int, int, int] | None = None


def scale_up(low_res: torch.Tensor, frame: Frame, threshold: float = 0.0) -> Iterator[ScaledMasks]:
    """Yield the masks and stability scores of logits, in order, a few at a time.

    Args:
        low_res: Logits ``(n, S / 4, S / 4)``.
        frame: Where the image lies.
        threshold: Logits above it are the mask.

    Raises:
        SegmentorError: No memory for a single mask.
    """
    height, width = frame.original_size
    at_once = max(1, PIXELS_AT_ONCE // (height * width))
    work = partial(_scaled, low_res, frame, threshold)
    for _, made in in_parts(work, len(low_res), at_once):
        yield made


@torch.no_grad()
def _scaled(low_res: torch.Tensor, frame: Frame, threshold: float, part: slice) -> ScaledMasks:
    from segment_anything.utils.amg import calculate_stability_score

    logits = low_res[part, None]
    if not frame.stretched:
        # Twice, as SAM does: to the padded square, and from the image's part of it.
        height, width = frame.input_size
        logits = _resized(logits, (frame.side, frame.side))[..., :height, :width]
    logits = _resized(logits, frame.original_size)[:, 0]
    stability = calculate_stability_score(logits, threshold, 1.0).nan_to_num(0)
    masks = (logits > threshold).transpose(1, 2).contiguous()
    return ScaledMasks(masks.cpu().numpy().transpose(0, 2, 1), stability.cpu().numpy())


def _resized(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(logits, size, mode='bilinear', align_corners=False)
