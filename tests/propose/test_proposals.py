"""Proposals of an image: the best of those that say the same, and regions of label maps."""

import numpy as np
from pycocotools import mask as coco_mask

from samrs_mm.core.boxes import corners
from samrs_mm.propose.components import components
from samrs_mm.propose.proposals import Proposals


def proposals(hboxes, scores, labels=None):
    labels = np.zeros(len(hboxes), np.int64) if labels is None else np.array(labels)
    return Proposals(corners(np.array(hboxes, float)), np.array(scores), labels)


def iou(one, other):
    sides = [min(one[k + 2], other[k + 2]) - max(one[k], other[k]) for k in (0, 1)]
    shared = max(sides[0], 0) * max(sides[1], 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def test_of_boxes_that_say_the_same_the_best_stays():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 40, (300, 2))
    boxes = np.concatenate([low, low + rng.integers(5, 30, (300, 2))], 1).astype(float)
    scores, labels = rng.random(300), rng.integers(0, 2, 300)
    kept = []
    for row in np.argsort(-scores):
        same = [other for other in kept if labels[other] == labels[row]]
        if all(iou(boxes[row], boxes[other]) < 0.5 for other in same):
            kept.append(row)
    found = proposals(boxes, scores, labels).best(0.5)
    np.testing.assert_array_equal(found.hboxes, boxes[kept])
    assert 20 < len(found) < 290
    np.testing.assert_array_equal(
        proposals(boxes, scores, labels).best(0.5, most=7).scores, scores[kept][:7]
    )
    assert len(Proposals.empty().best()) == 0


def test_boxes_are_cut_to_the_image_and_others_left_out():
    found = proposals(
        [[-5, -5, 10, 10], [90, 40, 130, 60], [-9, 3, 0, 9], [100, 0, 120, 9]], [1] * 4
    )
    cut = found.clipped(100, 50)
    assert cut.hboxes.tolist() == [[0, 0, 10, 10], [90, 40, 100, 50]]
    turned = found[[0, 1]]
    turned.oriented = True
    assert turned.clipped(100, 50).hboxes.tolist() == found.hboxes[:2].tolist(), 'not cut: turned'


def test_regions():
    labels = np.full((20, 30), 255, np.uint8)
    labels[2:6, 3:9] = labels[6, 9] = 1  # one of 8 neighbours joins them
    labels[10:14, 3:9] = 1
    labels[10:14, 20:22] = 2
    labels[19, 29] = 0
    confidence = np.linspace(0, 1, labels.size).reshape(labels.shape)
    found = components(labels, confidence, (0, 1, 2))
    assert found.labels.tolist() == [0, 1, 1, 2]
    assert found.areas.tolist() == [1, 25, 24, 8]
    for row in range(4):
        mask = coco_mask.decode(found.masks[row]).astype(bool)
        assert np.isclose(found.scores[row], confidence[mask].mean())
        assert (labels[mask] == found.labels[row]).all()
    np.testing.assert_allclose(found.hboxes[2], [3, 10, 9, 14], atol=1e-4)
    assert components(labels, confidence, (1, 2), min_area=24).areas.tolist() == [25, 24]
    assert len(components(labels, confidence, ())) == 0
