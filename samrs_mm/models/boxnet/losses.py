"""What the network is taught by: masks by BCE and Dice, the score by the IoU of its own mask."""

import torch
from torch import Tensor
from torch.nn import functional as F


def mask_iou(masks: Tensor, targets: Tensor) -> Tensor:
    """Return the IoUs ``(N,)`` float32 of bool masks ``(N, H, W)``; 0 where both are empty."""
    common = (masks & targets).sum((1, 2))
    return common / (masks | targets).sum((1, 2)).clamp(min=1)


def box_losses(
    logits: Tensor, scores: Tensor, targets: Tensor, scored: Tensor, iou_weight: float
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the losses, and the IoUs of the thresholded masks ``(N,)``.

    Args:
        logits: ``(N, S, S)`` of the masks.
        scores: ``(N,)`` logits of the predicted IoU.
        targets: ``(N, S, S)`` share of each pixel that the object covers, in [0, 1].
        scored: ``(N,)`` bool, whose predicted IoU is taught: that of a window says nothing of its
            object.
        iou_weight: Of the score's loss.

    Returns:
        ``loss_bce``, ``loss_dice`` (with 1 added above and below the line, so that empty targets
        have a gradient) and ``loss_iou``.
    """
    chances = logits.sigmoid()
    common = (chances * targets).sum((1, 2))
    dice = 1 - (2 * common + 1) / (chances.sum((1, 2)) + targets.sum((1, 2)) + 1)
    with torch.no_grad():
        ious = mask_iou(logits > 0, targets > 0.5)
    taught = F.binary_cross_entropy_with_logits(scores.float(), ious, reduction='none')
    return {
        'loss_bce': F.binary_cross_entropy_with_logits(logits, targets),
        'loss_dice': dice.mean(),
        'loss_iou': iou_weight * (taught * scored).sum() / scored.sum().clamp(min=1),
    }, ious
