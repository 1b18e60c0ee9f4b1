"""Measures against slow ones, made of whole-image masks; filters against plain comparisons."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from samrs_mm.core import masks, quality
from samrs_mm.core.boxes import corners
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.masks import fill_polygon
from samrs_mm.core.quality import MaskFilters

HEIGHT, WIDTH = 24, 31


def slow(mask, polygon, prompt_box):
    """The measures, written down from their definitions."""
    if prompt_box is None:
        low, high = np.min(polygon, axis=0), np.max(polygon, axis=0)
        prompt_box = [*np.clip(low, 0, [WIDTH, HEIGHT]), *np.clip(high, 0, [WIDTH, HEIGHT])]
    frame = fill_polygon(corners(np.array([prompt_box], float))[0], HEIGHT, WIDTH)
    inside = fill_polygon(np.array(polygon), HEIGHT, WIDTH)
    outside = mask & ~inside
    edge = np.ones_like(mask)
    edge[1:-1, 1:-1] = False
    return dict(
        fill=pytest.approx((mask & frame).sum() / max(frame.sum(), 1), abs=1e-6),
        coverage=pytest.approx((mask & inside).sum() / max(inside.sum(), 1), abs=1e-6),
        leakage=pytest.approx(outside.sum() / mask.sum(), abs=1e-6),
        components=ndimage.label(mask, np.ones((3, 3)))[1],
        at_border=bool((mask & edge).any()),
    )


def measure(mask, polygon, prompt_box=None):
    return quality.measure(masks.encode(mask), polygon, prompt_box)


coordinates = st.tuples(st.floats(-20, 50), st.floats(-20, 50))


@settings(max_examples=150)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.02, 0.9),
    st.lists(coordinates, min_size=4, max_size=4),
    st.none() | st.tuples(st.floats(0, 20), st.floats(0, 15), st.floats(1, 11), st.floats(1, 9)),
)
def test_measures_against_slow_ones(seed, density, polygon, frame):
    mask = np.random.default_rng(seed).random((HEIGHT, WIDTH)) < density
    mask[4, 7] = True
    prompt_box = frame and [frame[0], frame[1], frame[0] + frame[2], frame[1] + frame[3]]
    found = measure(mask, polygon, prompt_box)
    assert found == slow(mask, polygon, prompt_box)
    assert tuple(found) == quality.MEASURES


def test_measures_by_hand():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5:10, 5:15] = True
    mask[10, 15] = True
    mask[20, 20] = True
    square = [[5, 5], [15, 5], [15, 15], [5, 15]]
    found = measure(mask, square, [5, 5, 15, 10])
    assert found == dict(
        fill=1.0, coverage=0.5, leakage=round(2 / 52, 6), components=2, at_border=False
    )
    found = measure(mask, square)
    assert found == dict(
        fill=0.5, coverage=0.5, leakage=round(2 / 52, 6), components=2, at_border=False
    )


def test_a_filled_box_has_fill_one_and_no_leakage():
    rng = np.random.default_rng(0)
    for _ in range(50):
        low = rng.uniform(-5, 15, 2)
        polygon = corners(np.array([[*low, *(low + rng.uniform(6, 40, 2))]]))[0]
        mask = fill_polygon(polygon, HEIGHT, WIDTH)
        found = measure(mask, polygon.tolist())
        assert (found['leakage'], found['components']) == (0, 1)
        assert found['fill'] == found['coverage'] == 1


@pytest.mark.parametrize('place', [(0, 9), (HEIGHT - 1, 9), (9, 0), (9, WIDTH - 1), (9, 9)])
def test_at_border(place):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[place] = True
    found = measure(mask, [[0, 0], [9, 0], [9, 9], [0, 9]])
    assert found['at_border'] == (place != (9, 9))


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
        ([0.5], 'filters=[0.5]; allowed: None or dict(min_score=..., ...)'),
    ],
)
def test_impossible_filters_are_refused_in_one_line(entry, says):
    with pytest.raises(RefusedError) as caught:
        MaskFilters.from_config(entry)
    assert says in str(caught.value)
    assert '\n' not in str(caught.value)
