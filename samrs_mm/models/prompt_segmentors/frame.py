"""How images lie in the square of pixels that a network of the SAM family sees."""

from dataclasses import dataclass

import torch

from samrs_mm.models.prompt_segmentors.bilinear import Resize, axis, bilinear


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

    def scale_up(self, low_res: torch.Tensor) -> torch.Tensor:
        """Scale logits ``(n, S / 4, S / 4)`` up to the image, ``(n, H, W)``.

        Where it isn't stretched that is twice, as SAM does: to the padded square, and from the
        image's part of it; the second where it is to the same size changes nothing.
        """
        logits = low_res[:, None]
        if not self.stretched:
            height, width = self.input_size
            logits = bilinear(logits, (self.side, self.side))[..., :height, :width]
        if logits.shape[-2:] != self.original_size:
            logits = bilinear(logits, self.original_size)
        return logits[:, 0]

    def resizes(self, low_side: int) -> list[Resize]:
        """Return the resizes that ``scale_up`` does to logits of a side."""
        height, width = self.original_size
        if self.stretched:
            return [Resize(axis(low_side, height), axis(low_side, width))]
        h, w = self.input_size
        done = [Resize(axis(low_side, self.side, h), axis(low_side, self.side, w))]
        if (h, w) != (height, width):
            done.append(Resize(axis(h, height), axis(w, width)))
        return done
