import pytest
import torch

from samrs_mm.models.boxnet.losses import box_losses, mask_iou


def square(side, start, stop):
    mask = torch.zeros(side, side)
    mask[start:stop, start:stop] = 1
    return mask


def test_the_iou_of_masks():
    masks = torch.stack([square(8, 0, 4), square(8, 0, 0), square(8, 0, 4)]) > 0
    targets = torch.stack([square(8, 2, 6), square(8, 0, 0), square(8, 0, 4)]) > 0
    assert mask_iou(masks, targets).tolist() == pytest.approx([4 / 28, 0, 1])


def test_the_right_mask_costs_least_and_its_score_is_taught():
    target = torch.stack([square(16, 4, 12)] * 2)
    scored = torch.tensor([True, True])
    right = 20 * (target - 0.5)
    losses, ious = box_losses(right, torch.tensor([9.0, 9.0]), target, scored, 0.3)
    assert ious.tolist() == [1, 1]
    assert all(value < 0.01 for value in losses.values())
    wrong, ious = box_losses(-right, torch.tensor([9.0, 9.0]), target, scored, 0.3)
    assert ious.tolist() == [0, 0]
    assert wrong['loss_bce'] > 5
    assert wrong['loss_dice'] > 0.9
    assert wrong['loss_iou'] == pytest.approx(2.7, abs=0.01), 'it says 1 of an IoU of 0'


def test_scores_of_windows_are_not_taught():
    logits, target = torch.zeros(2, 8, 8), torch.stack([square(8, 2, 6)] * 2)
    scores = torch.tensor([0.5, -3.0], requires_grad=True)
    losses, _ = box_losses(logits, scores, target, torch.tensor([True, False]), 1.0)
    losses['loss_iou'].backward()
    assert scores.grad[0] != 0
    assert scores.grad[1] == 0
    none, _ = box_losses(logits, scores, target, torch.tensor([False, False]), 1.0)
    assert none['loss_iou'] == 0


def test_the_iou_that_is_taught_has_no_gradient():
    logits = torch.randn(1, 8, 8, requires_grad=True)
    losses, ious = box_losses(
        logits, torch.zeros(1), torch.ones(1, 8, 8), torch.tensor([True]), 1.0
    )
    assert not ious.requires_grad
    assert not losses['loss_iou'].requires_grad
