from types import SimpleNamespace

import pytest
from written_samples import made_sample, mask

from samrs_mm.annotate.writer import MaskFilters
from samrs_mm.core.errors import RefusedError, SamrsError, describe


def test_describe_is_one_line():
    assert describe(ValueError('a\n b')) == 'ValueError: a b'
    assert describe(OSError(28, 'No space', 'file')) == 'file: No space'
    assert describe(SamrsError('as it is')) == 'as it is'


def test_filters_decide_the_status():
    record = made_sample(0, *[mask()] * 3).record
    for box, found in zip(record.boxes, (mask(), mask(filled=False), mask(rows=1)), strict=True):
        box.enter_mask(found, 'no pixel')
    MaskFilters(min_area=4).apply(record)
    assert [box.status for box in record.boxes] == ['kept', 'empty', 'filtered']
    assert record.boxes[2].reason == 'area 3 is below min_area 4'
    assert record.kept == record.boxes[:1]
    MaskFilters().apply(record)
    assert [box.status for box in record.boxes] == ['kept', 'empty', 'kept']
    assert record.boxes[2].reason == ''


MASK = SimpleNamespace(
    score=0.8,
    stability=0.9,
    fill=0.5,
    coverage=0.7,
    leakage=0.1,
    components=2,
    area=50,
    at_border=True,
)


@pytest.mark.parametrize(
    ('limits', 'reason'),
    [
        (dict(min_score=0.8), ''),
        (dict(min_score=0.81), 'score 0.8 is below min_score 0.81'),
        (dict(min_stability=1), 'stability 0.9 is below min_stability 1.0'),
        (dict(min_fill=0.5, max_fill=0.5), ''),
        (dict(min_fill=0.6), 'fill 0.5 is below min_fill 0.6'),
        (dict(max_fill=0.4), 'fill 0.5 is above max_fill 0.4'),
        (dict(min_coverage=0.71), 'coverage 0.7 is below min_coverage 0.71'),
        (dict(max_leakage=0), 'leakage 0.1 is above max_leakage 0.0'),
        (dict(max_components=2), ''),
        (dict(max_components=1), 'components 2 is above max_components 1'),
        (dict(min_area=51), 'area 50 is below min_area 51'),
        (dict(min_area=50, max_area=50), ''),
        (dict(max_area=49), 'area 50 is above max_area 49'),
        (dict(drop_at_border=True), "the mask touches the image's border"),
        (dict(drop_at_border=False), ''),
        (dict(min_area=60, max_fill=0.1), 'fill 0.5 is above max_fill 0.1'),
    ],
)
def test_reasons(limits, reason):
    assert MaskFilters.from_config(limits).reason(MASK) == reason


def test_no_filter_is_one_setting_however_written():
    for entry in (None, {}, dict(drop_at_border=False), dict(min_score=None, drop_at_border=None)):
        assert MaskFilters.from_config(entry).as_dict() is None
    assert MaskFilters.from_config(dict(max_leakage=0)).as_dict() == dict(max_leakage=0.0)
    written = [MaskFilters.from_config(dict(min_score=value)) for value in (1, 1.0)]
    assert repr(written[0].as_dict()) == repr(written[1].as_dict())


def test_measures_that_filters_look_at():
    filters = MaskFilters.from_config(dict(min_score=0.5, max_fill=1, drop_at_border=True))
    assert filters.measures == {'score', 'fill', 'at_border'}


@pytest.mark.parametrize(
    ('entry', 'says'),
    [
        (dict(min_iou=0.5), 'filters.min_iou is unknown; allowed: min_score, min_stability,'),
        (dict(min_score='high'), "filters.min_score='high'; allowed: 0 to 1, or None"),
        (dict(min_score=True), 'filters.min_score=True; allowed: 0 to 1'),
        (dict(max_fill=50), 'filters.max_fill=50; allowed: 0 to 1'),
        (dict(max_leakage=float('nan')), 'filters.max_leakage=nan; allowed: 0 to 1'),
        (dict(min_area=0), 'filters.min_area=0; allowed: a whole number from 1'),
        (dict(max_components=1.5), 'filters.max_components=1.5; allowed: a whole number'),
        (dict(drop_at_border=1), 'filters.drop_at_border=1; allowed: True or False'),
        (dict(min_fill=0.5, max_fill=0.4), 'filters.min_fill=0.5 is above filters.max_fill=0.4'),
        (dict(min_area=9, max_area=8), 'filters.min_area=9 is above filters.max_area=8'),
        (dict(max_area=0.5), 'filters.max_area=0.5; allowed: a whole number from 1'),
        ([0.5], 'filters=[0.5]; allowed: None or dict(min_score=..., ...)'),
    ],
)
def test_impossible_filters_are_refused_in_one_line(entry, says):
    with pytest.raises(RefusedError) as caught:
        MaskFilters.from_config(entry)
    assert says in str(caught.value)
    assert '\n' not in str(caught.value)
