"""Masks that a GPU makes, and their way off it while it goes on with other work."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.logit_windows import OFFSET, ends
from samrs_mm.models.prompt_segmentors.torch_device import to_host


@dataclass(frozen=True)
class DeviceMasks:
    """Masks on their way to the CPU, of n images' height H and width W.

    Args:
        bits: ``(n, W, ceil(H / 8))`` uint8: columns of pixels, eight in a byte.
        rows: Rows that have a pixel, ``(n, H)`` bool.
        columns: Columns that have a pixel, ``(n, W)`` bool.
        stability: ``(n,)`` float32, see ``ScaledMasks``.
        ready: What tells that they are there; None if they are.
    """

    bits: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    stability: torch.Tensor
    ready: torch.cuda.Event | None

    @classmethod
    @torch.no_grad()
    def queue(cls, low_res: torch.Tensor, frame: Frame, threshold: float) -> 'DeviceMasks':
        """Scale logits ``(n, S / 4, S / 4)`` up on their device; doesn't wait for it."""
        logits = frame.scale_up(low_res)
        smaller = (logits > threshold + OFFSET).sum((1, 2), dtype=torch.int32)
        larger = (logits > threshold - OFFSET).sum((1, 2), dtype=torch.int32)
        masks = logits > threshold
        made = [
            to_host(each)
            for each in (
                _packed(masks),
                masks.any(2),
                masks.any(1),
                (smaller / larger).nan_to_num(0),
            )
        ]
        ready = None
        if logits.is_cuda:
            ready = torch.cuda.Event()
            ready.record()
        return cls(*made, ready)

    def windows(self) -> Iterator[tuple[np.ndarray, int, int, np.ndarray]]:
        """Yield the window of each mask, y and x of its first pixel, its stability ``(1,)``.

        Windows are ``(h, w)`` bool in Fortran order, 0 x 0 for an empty mask.
        """
        if self.ready is not None:
            self.ready.synchronize()
        bits, stability = self.bits.numpy(), self.stability.numpy()
        rows, columns = self.rows.numpy(), self.columns.numpy()
        for i in range(len(bits)):
            y0, y1 = ends(rows[i])
            x0, x1 = ends(columns[i])
            part = np.unpackbits(bits[i, x0:x1, y0 // 8 : -(-y1 // 8)], axis=1)
            part = part[:, y0 % 8 : y0 % 8 + y1 - y0]
            yield np.ascontiguousarray(part).view(bool).T, y0, x0, stability[i : i + 1]


def _packed(masks: torch.Tensor) -> torch.Tensor:
    """Pack masks ``(n, H, W)`` bool as ``DeviceMasks.bits``, the first pixel in the highest bit."""
    columns = F.pad(masks.transpose(1, 2).to(torch.uint8), (0, -masks.shape[1] % 8))
    worth = 2 ** torch.arange(7, -1, -1, device=masks.device, dtype=torch.uint8)
    return (columns.unflatten(2, (-1, 8)) * worth).sum(-1, dtype=torch.uint8)
