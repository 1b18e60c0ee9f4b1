"""One object's mask by clicks, a box and the mask so far, of the SAM family."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from samrs_mm.core.clicks import (
    ClickedMask,
    box_around,
    box_of_mask,
    check_inside,
    checked_clicks,
    checked_corners,
    checked_mask,
    refuse_nothing,
)
from samrs_mm.core.errors import SegmentorError
from samrs_mm.core.prompts import low_mask
from samrs_mm.models.prompt_segmentors.encoded_image import EncodedImage, SquarePrompts
from samrs_mm.models.prompt_segmentors.scale_up import scale_up

if TYPE_CHECKING:
    from samrs_mm.models.prompt_segmentors.sam_base import SAMFamilySegmentor

MASK_LOGIT = 10.0
"""Of a mask from elsewhere, inside and, negative, outside: about as sure as SAM is of its own."""


class ClickTaker:
    """What lets a member of the SAM family take clicks."""

    @torch.no_grad()
    def click(
        self: Any,
        encoded: EncodedImage,
        clicks: Any,
        box: Any = None,
        previous: ClickedMask | np.ndarray | None = None,
        valid: np.ndarray | None = None,
    ) -> ClickedMask:
        """Return the mask of an object by clicks, a box, and the mask of the step before.

        A single click with nothing else may mean a part or the whole: of the three masks that SAM
        then makes it is the one with the best score. From its own answer it goes on by its logits,
        from any other mask by that mask and, where no box is given, the box around it.

        Args:
            encoded: What ``encode`` returned for the image.
            clicks: ``(N, 3)`` all clicks so far: x, y in pixels, and 1 for the object or 0 for the
                background; may be none where there is a box or a mask.
            box: ``(4,)`` x0, y0, x1, y1, or corners ``(4, 2)``, of which the upright box around
                them is taken.
            previous: The answer before, or any mask ``(H, W)`` bool to start from.
            valid: Which pixels of the image have data, ``(H, W)`` bool; None says all.

        Raises:
            ValueError: Nothing is asked, or something is of another shape, not finite, empty, or
                outside the image; says what.
            SegmentorError: The weights give no numbers.
        """
        return _click(self, self.settled(encoded), clicks, box, previous, valid)


def _click(
    segmentor: 'SAMFamilySegmentor', encoded: EncodedImage, clicks: Any, box: Any,
    previous: ClickedMask | np.ndarray | None, valid: np.ndarray | None,
) -> ClickedMask:  # fmt: skip
    size = encoded.frame.original_size
    clicks, corners = checked_clicks(clicks), None if box is None else checked_corners(box)
    check_inside(size, clicks, corners)
    upright = None if corners is None else np.concatenate([corners.min(0), corners.max(0)])
    own = previous.logits if isinstance(previous, ClickedMask) else None
    if own is None and previous is not None:
        mask = previous.mask if isinstance(previous, ClickedMask) else previous
        mask = checked_mask(size, mask)
        own = _logits_of(segmentor, mask)
        upright = box_around(box_of_mask(mask), clicks) if upright is None else upright
        own = own if mask.any() else None
    if own is None:
        refuse_nothing(clicks, upright)
    prompts = _prompts(segmentor, encoded, clicks, upright, own)
    if len(clicks) == 1 and upright is None and own is None and segmentor.proposes:
        three, scores = segmentor._predict_three(encoded, prompts)
        best = int(scores[0].argmax())
        logits, score = three[:, best], scores[:, best]
    else:
        logits, score, *_ = segmentor._predict(encoded, prompts)
    if not score.isfinite().all():
        raise SegmentorError('the predicted IoU is NaN; are the weights whole?')
    (made,) = scale_up(logits, encoded.frame, segmentor.mask_threshold)
    mask = np.zeros(size, bool)
    mask[made.y : made.y + made.mask.shape[0], made.x : made.x + made.mask.shape[1]] = made.mask
    if valid is not None:
        mask &= valid
    return ClickedMask(mask, float(score[0]), float(made.stability[0]), logits[:, None])


def _prompts(
    segmentor: 'SAMFamilySegmentor', encoded: EncodedImage, clicks: np.ndarray,
    upright: np.ndarray | None, logits: torch.Tensor | None,
) -> SquarePrompts:  # fmt: skip
    """Return the prompts of one object as the network's prompt encoder takes them."""
    points = labels = boxes = None
    if len(clicks):
        points = segmentor._tensor(segmentor._scaled(clicks[None, :, :2], encoded.frame))
        labels = torch.tensor(clicks[None, :, 2], dtype=torch.int, device=segmentor.device)
    if upright is not None:
        corners = segmentor._scaled(upright.reshape(1, 2, 2), encoded.frame)
        boxes = segmentor._tensor(corners.reshape(1, 4))
    return SquarePrompts(points, labels, boxes, logits)


def _logits_of(segmentor: 'SAMFamilySegmentor', mask: np.ndarray) -> torch.Tensor:
    """Return a mask ``(H, W)`` bool as logits ``(1, 1, S / 4, S / 4)`` on the device."""
    side = 4 * segmentor.low_side
    made = low_mask(mask, side, segmentor.stretched, MASK_LOGIT)
    return segmentor._tensor(made)[None, None]
