import numpy as np
import pytest

from samrs_mm.evaluation.metrics import BoxMaskMetric
from samrs_mm.evaluation.metrics.box_mask_metric import _table


def sample(prompt, kind, ious, logits):
    return dict(prompt=prompt, kind=kind, ious=np.array(ious), logits=np.array(logits))


SAMPLES = [
    sample('box', 'ship', [0.9, 0.95], [2.0, 3.0]),
    sample('box', 'ship', [0.7, 0.9], [1.0, 2.0]),
    sample('box', 'plane', [0.5, 0.6], [0.0, 0.5]),
    sample('point', 'ship', [0.4, 0.8], [0.0, 1.0]),
    sample('refine', 'ship', [0.98, 0.98], [-9.0, -9.0]),
]


def scores(samples):
    metric = BoxMaskMetric()
    metric.process(None, samples[:2])
    metric.process(None, samples[2:])
    return metric.evaluate(len(samples))


def test_scores_by_prompt_and_click():
    found = scores(SAMPLES)
    assert found['mIoU'] == pytest.approx(70)
    assert found['mIoU+1'] == pytest.approx(100 * 2.45 / 3, abs=1e-3)
    assert found['above75'] == pytest.approx(100 / 3, abs=1e-3)
    assert (found['point/mIoU'], found['point/mIoU+1']) == (40, 80)
    assert found['refine/mIoU'] == 98
    assert found['rank'] == 1
    assert found['said'] == pytest.approx(100 * (0.8808 + 0.7311 + 0.5) / 3, abs=0.01)
    assert found['temperature'] > 0
    assert all(type(value) is float for value in found.values())


def test_the_table_is_by_kind():
    table = _table(np.array(['ship', 'plane']), np.array([[0.8], [0.5]]))
    assert table.splitlines()[2:] == [
        'plane      1   50.00      0.0',
        'ship       1   80.00    100.0',
    ]


def test_without_boxes_there_is_no_score_of_boxes():
    found = scores(SAMPLES[3:])
    assert 'mIoU' not in found
    assert found['point/mIoU'] == 40
