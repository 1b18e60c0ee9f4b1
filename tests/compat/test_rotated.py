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
def test_the_metric_starts_no_interpreters(monkeypatch):
    """Three boxes of two classes: one found, one beside its place, one missed."""
    import multiprocessing.context

    from mmengine.registry import METRICS

    def refuse(*_):
        raise AssertionError('a process was started')

    monkeypatch.setattr(multiprocessing.context.SpawnProcess, '_Popen', refuse)
    importlib.import_module('mmrotate.evaluation')
    metric = METRICS.build(dict(type='mmrotate.DOTAMetric', metric='mAP'))
    metric.dataset_meta = dict(classes=('plane', 'ship'))
    boxes = torch.tensor(draw(3))
    boxes[:, :2] = torch.tensor([[50.0, 50], [150, 50], [250, 50]])
    labels = torch.tensor([0, 1, 1])
    found = dict(bboxes=boxes[:2] + torch.tensor([[0.0] * 5, [90, 0, 0, 0, 0]]),
                 labels=labels[:2], scores=torch.tensor([0.9, 0.8]))  # fmt: skip
    sample = dict(
        img_id=1, pred_instances=found, gt_instances=dict(bboxes=boxes, labels=labels),
        ignored_instances=dict(bboxes=boxes[:0], labels=labels[:0]),
    )  # fmt: skip
    metric.process({}, [sample])
    assert metric.evaluate(1)['dota/mAP'] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.ops
def test_overlaps_takes_an_eps():
    kinds = importlib.import_module('mmrotate.structures.bbox')
    assert has_compiled_ops()
    boxes = kinds.RotatedBoxes(torch.tensor(draw(3)))
    found = kinds.RotatedBoxes.overlaps(boxes, boxes, eps=1e-6)
    torch.testing.assert_close(found.diagonal(), torch.ones(3), atol=1e-3, rtol=0)
