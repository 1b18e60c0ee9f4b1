"""What goes into the decoder of a network of the SAM family: an encoded image, and prompts."""

from dataclasses import dataclass

import torch

from samrs_mm.models.prompt_segmentors.frame import Frame


@dataclass(frozen=True)
class EncodedImage:
    """What the decoder needs of an image.

    Args:
        features: One tensor ``(1, C, h, w)`` float32 for each of the segmentor's
            ``feature_names``, on its device.
        frame: How the image lies in the square that the network sees.
        notes: What the record should say of how it was encoded.
        pixels: The network's input ``(1, 3, S, S)`` where ``SAMFamilySegmentor.settled`` has yet to
            see whether the features are numbers.
    """

    features: tuple[torch.Tensor, ...]
    frame: Frame
    notes: tuple[str, ...] = ()
    pixels: torch.Tensor | None = None


@dataclass(frozen=True)
class SquarePrompts:
    """Prompts in pixels of the square that the network sees, each of ``(n, ...)`` float32 or None.

    Args:
        points: ``(n, K, 2)`` x and y.
        labels: ``(n, K)`` int, 1 for points on the object, 0 for those beside it.
        boxes: ``(n, 4)`` x0, y0, x1, y1.
        masks: ``(n, 1, S / 4, S / 4)``, the object's logits so far.
    """

    points: torch.Tensor | None = None
    labels: torch.Tensor | None = None
    boxes: torch.Tensor | None = None
    masks: torch.Tensor | None = None

    def __len__(self) -> int:
        given = (self.points, self.boxes, self.masks)
        return next(len(each) for each in given if each is not None)
