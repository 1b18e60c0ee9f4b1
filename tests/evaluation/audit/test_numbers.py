"""Shares of a sample with weights, their intervals, and what predictions are worth."""

import json

import numpy as np
import pytest
from corrected import square

from samrs_mm.evaluation.audit.judging import Judged
from samrs_mm.evaluation.audit.numbers import audit, calibration, group, wilson
from samrs_mm.evaluation.audit.table import table
from samrs_mm.formats.corrections.audit_sample import SampledMask

MASK = square(90, 90)


def judged(iou, weight=1.0, category='ship', area=500, score=0.9, doubt=0.1, seconds=None):
    mask = SampledMask('a', 'a:1', category, 'kept', score, doubt, area, MASK)
    return Judged(mask, iou, iou == 0, False, seconds, weight)


@pytest.mark.parametrize(
    ('share', 'count', 'low', 'high'),
    [  # scipy.stats.binomtest(k, n).proportion_ci(method='wilson')
        (0.9, 10, 0.5958, 0.9821),
        (0.5, 100, 0.4038, 0.5962),
        (1.0, 20, 0.8389, 1.0),
        (0.0, 20, 0.0, 0.1611),
    ],
)
def test_intervals(share, count, low, high):
    found = wilson(share, count)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_a_mask_counts_as_many_as_it_stands_for():
    found = group([judged(0.95, weight=9), judged(0.8), judged(0.3), judged(0)])
    assert [share.share for share in found.above] == [9 / 12, 10 / 12]
    assert found.mean_iou == pytest.approx((9 * 0.95 + 0.8 + 0.3) / 12)
    worth = 12**2 / (81 + 3)
    assert found.above[0] == wilson(9 / 12, worth)
    assert (found.masks, found.weight, found.rejected) == (4, 12, 1)
    exactly = group([judged(0.9), judged(0.75)])
    assert [share.share for share in exactly.above] == [0, 0.5], 'above, not at'


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Two classes of 900 and 100 masks, 60 drawn of each: the folder's share is in 95 % of them."""
    rng, sizes, right = np.random.default_rng(0), (900, 100), (0.97, 0.6)
    truth, inside = np.dot(sizes, right) / sum(sizes), 0
    for _ in range(400):
        sample = [
            judged(float(iou), size / 60)
            for size, share in zip(sizes, right, strict=True)
            for iou in rng.random(60) < share
        ]
        share = group(sample).above[0]
        inside += share.low <= truth <= share.high
    assert 0.93 <= inside / 400 <= 1


def test_groups_and_times():
    sample = [
        judged(1, category='plane', area=10, doubt=0, seconds=2.0),
        judged(0.8, category='ship', area=32 * 32, doubt=0.2, seconds=5.0),
        judged(0.6, category='ship', area=96 * 96, doubt=0.4),
    ]
    found = audit(sample)
    assert {name: each.masks for name, each in found.by_class.items()} == {'plane': 1, 'ship': 2}
    assert list(found.by_size) == ['small', 'medium', 'large']
    assert [each.masks for each in found.by_doubt.values()] == [1, 1, 1]
    assert (found.all.timed, found.all.seconds) == (2, 3.5)
    assert found.by_class['ship'].seconds == 5
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain['all']['above_0.75']['share'] == pytest.approx(2 / 3)
    assert plain['by_class']['ship']['above_0.9'] == dict(
        share=0, low=0, high=pytest.approx(wilson(0, 2).high)
    )
    lines = table(found).splitlines()
    assert any(line.split()[:3] == ['ship', '2', '0.0'] for line in lines)


def test_calibration_in_fifths():
    rng = np.random.default_rng(1)
    said = rng.random(500)
    sample = [judged(float(value * 0.8), score=float(value)) for value in said]
    found = calibration(sample, lambda each: each.mask.score)
    assert [each.masks for each in found.bins] == [100] * 5
    assert found.order == pytest.approx(1)
    ranked = np.sort(said).reshape(5, 100).mean(axis=1)
    np.testing.assert_allclose([each.said for each in found.bins], ranked)
    np.testing.assert_allclose([each.true for each in found.bins], ranked * 0.8)
    assert found.error == pytest.approx(np.mean(ranked * 0.2))


def test_equal_predictions_are_one_bin_and_have_no_order():
    found = calibration([judged(0.5), judged(1.0), judged(0.9)], lambda each: each.mask.score)
    assert [each.masks for each in found.bins] == [3]
    assert found.order is None
    most = [judged(0.5, doubt=0.0)] * 7 + [judged(0.5, doubt=0.5)] * 3
    assert [each.masks for each in audit(most).by_doubt.values()] == [7, 3]


def test_masks_without_score():
    found = audit([judged(1, score=None)])
    assert found.score is None
    assert 'score: the masks have none' in table(found)
