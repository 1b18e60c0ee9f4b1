import math

import numpy as np
import pytest

from samrs_mm.annotate.ablation.scores import COLUMNS, Scored, SettingResult, score, size_of
from samrs_mm.evaluation.bootstrap import resamples
from samrs_mm.evaluation.mask_ap import SIZES

AP = dict.fromkeys(('AP', 'AP50', 'AP75', *SIZES), 0.5)


def entry(intersection, union, status='kept'):
    edges = dict(boundary_intersection=intersection // 2, boundary_union=union // 2)
    counts = dict(area=intersection, intersection=intersection, union=union, **edges)
    return SettingResult(status=status, score=None, segmentation=None, **counts)


@pytest.fixture
def measured():
    return [
        Scored(0, 80, entry(40, 100)),
        Scored(0, 2000, entry(1000, 2000)),
        Scored(1, 90, entry(0, 90, 'outside')),
    ]


@pytest.mark.parametrize(
    ('area', 'size'),
    [(1, 'tiny'), (99, 'tiny'), (100, 'small'), (1023, 'small'), (1024, 'medium'),
     (9215, 'medium'), (9216, 'large'), (10**8, 'large')],
)  # fmt: skip
def test_sizes_begin_at_their_lower_end(area, size):
    assert size_of(area) == size


def test_a_row_by_hand(measured):
    row = score(measured, resamples(2), AP)
    assert tuple(row) == COLUMNS
    assert row['n'] == 3
    assert row['statuses'] == dict(kept=2, outside=1)
    assert row['mIOU_I'] == pytest.approx((0.4 + 0.5 + 0) / 3, abs=1e-6)
    assert row['mIOU_P'] == pytest.approx(1040 / 2190, abs=1e-6)
    assert row['boundary_IoU'] == pytest.approx((20 / 50 + 500 / 1000 + 0) / 3, abs=1e-6)
    # Of two images a resample holds the one, the other, or both: no other value can be an end.
    assert row['mIOU_I_ci'] == [0, 0.45]
    assert row['mIOU_P_ci'] == [0, pytest.approx(1040 / 2100, abs=1e-6)]
    tiny = row['sizes']['tiny']
    assert (tiny['n'], tiny['mIOU_I'], tiny['AP']) == (2, 0.2, 0.5)
    assert tiny['mIOU_P'] == pytest.approx(40 / 190, abs=1e-6)
    assert row['sizes']['large'] == dict(n=0, mIOU_I=None, mIOU_P=None, boundary_IoU=None, AP=0.5)


def test_nothing_measured_is_no_number():
    row = score([], None, dict.fromkeys(AP, math.nan))
    assert row['n'] == 0
    assert {row[name] for name in COLUMNS[2:-1]} == {None}
    assert all(part['mIOU_I'] is None for part in row['sizes'].values())


def test_images_without_objects_of_a_setting_do_not_widen_it(measured):
    assert score(measured[:1], resamples(5), AP)['mIOU_I_ci'] is None
    assert np.diff(score(measured, resamples(5), AP)['mIOU_I_ci']) > 0
