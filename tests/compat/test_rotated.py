"""What `mmrotate.models` needs, mended."""

import importlib

import numpy as np
import pytest
import torch

from samrs_mm.compat import has_compiled_ops, is_onedl, prepare_imports
from samrs_mm.core import boxes as corner_boxes
from samrs_mm.core import masks

pytestmark = pytest.mark.skipif(not is_onedl(), reason="OpenMMLab's mmrotate can't be imported")


@pytest.fixture(autouse=True, scope='module')
def mended():
    prepare_imports()
    importlib.import_module('mmrotate.models')


def draw(count, seed=0):
    """Return boxes ``(count, 5)``: cx, cy, w, h, angle."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(4, 40, (count, 2))
    rows = [rng.uniform(20, 60, (count, 2)), sides, rng.uniform(-np.pi / 2, np.pi / 2, (count, 1))]
    return np.concatenate(rows, 1).astype(np.float32)


def shared_area(first, second):
    import cv2

    kind, points = cv2.rotatedRectangleIntersection(*(
        ((cx, cy), (w, h), float(np.rad2deg(a))) for cx, cy, w, h, a in (first, second)
    ))  # fmt: skip
    return 0.0 if kind == cv2.INTERSECT_NONE else float(cv2.contourArea(points))


def test_the_overlap_of_turned_boxes_on_a_cpu():
    from mmcv.ops import diff_iou_rotated_2d

    first, second = draw(200), draw(200, seed=1)
    second[:20, :4] = first[:20, :4]
    found = diff_iou_rotated_2d(torch.tensor(first)[None], torch.tensor(second)[None])[0].numpy()
    for a, b, iou in zip(first, second, found, strict=True):
        both = shared_area(a, b)
        assert iou == pytest.approx(both / (a[2] * a[3] + b[2] * b[3] - both), abs=2e-3)


def test_the_overlap_has_a_gradient():
    from mmcv.ops import diff_iou_rotated_2d

    moved = torch.tensor(draw(8)[None]).requires_grad_()
    other = moved.detach() + torch.tensor([2.0, 1, 1, 1, 0.1])
    diff_iou_rotated_2d(moved, other).sum().backward()
    assert moved.grad.isfinite().all()
    assert (moved.grad.abs().sum(2) > 0).all()


def test_boxes_of_masks_lie_on_them():
    from mmdet.structures.mask import BitmapMasks

    kinds = importlib.import_module('mmrotate.structures.bbox')
    below = np.array([0, 30, 0, 0, 0])  # x and y of the same boxes differ
    quads = corner_boxes.rotated_corners(draw(6) + below)
    drawn = np.stack([masks.fill_polygon(quad, 140, 100) for quad in quads]).astype(np.uint8)
    found = kinds.RotatedBoxes.from_instance_masks(BitmapMasks(drawn, 140, 100))
    for mask, quad in zip(drawn, found.convert_to('qbox').tensor, strict=True):
        inside = masks.fill_polygon(quad.reshape(4, 2).numpy(), 140, 100)
        assert masks.overlap(masks.encode(mask.astype(bool)), masks.encode(inside))[0] > (
            0.7 * mask.sum()
        )
    assert len(kinds.RotatedBoxes.from_instance_masks(BitmapMasks([], 140, 100))) == 0


@pytest.mark.ops
def test_overlaps_takes_an_eps():
    kinds = importlib.import_module('mmrotate.structures.bbox')
    assert has_compiled_ops()
    boxes = kinds.RotatedBoxes(torch.tensor(draw(3)))
    found = kinds.RotatedBoxes.overlaps(boxes, boxes, eps=1e-6)
    torch.testing.assert_close(found.diagonal(), torch.ones(3), atol=1e-3, rtol=0)
