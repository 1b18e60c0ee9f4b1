import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samrs_mm.core import boxes

NAN, INF = float('nan'), float('inf')
polygon_arrays = arrays(
    np.float64,
    st.tuples(st.integers(0, 5), st.just(4), st.just(2)),
    elements=st.floats(-1e5, 1e5),
)


def fate(box, polygon=None, width=100, height=50):
    hbox = np.array([box], float)
    polygons = boxes.corners(hbox) if polygon is None else np.array([polygon], float)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        (result,), (reason,) = boxes.box_statuses(hbox, polygons, width, height)
    return result, reason


@given(polygon_arrays)
def test_hull_encloses_the_polygon_and_touches_it(polygons):
    hulls = boxes.bounding_boxes(polygons)
    assert (polygons >= hulls[:, None, :2]).all()
    assert (polygons <= hulls[:, None, 2:]).all()
    np.testing.assert_array_equal(boxes.bounding_boxes(boxes.corners(hulls)), hulls)


def test_corners_run_clockwise_from_the_top_left():
    np.testing.assert_array_equal(
        boxes.corners(np.array([[1, 2, 3, 5]])), [[[1, 2], [3, 2], [3, 5], [1, 5]]]
    )


def test_clip():
    clipped = boxes.clip(np.array([[-3.0, 2, 120, 60], [NAN, 1, 2, 3]]), 100, 50)
    np.testing.assert_array_equal(clipped, [[0, 2, 100, 50], [NAN, 1, 2, 3]])


@pytest.mark.parametrize(
    ('box', 'expected', 'words'),
    [
        ([0, 0, 100, 50], boxes.OK, ''),
        ([-5, -5, 1, 1], boxes.OK, ''),
        ([0, 0, 101, 51], boxes.OK, ''),
        ([10, 10, 11, 11], boxes.OK, ''),
        ([-5, -5, 0.5, 20], boxes.OUTSIDE, 'outside the 100 x 50 px image'),
        ([100, 10, 120, 20], boxes.OUTSIDE, 'outside'),
        ([10, -30, 20, -10], boxes.OUTSIDE, 'outside'),
        ([10, 10, 10.5, 20], boxes.DEGENERATE, 'thinner than 1 px'),
        ([20, 10, 10, 20], boxes.DEGENERATE, '-10 x 10'),
        ([NAN, 10, 20, 20], boxes.DEGENERATE, 'NaN'),
        ([0, 0, INF, 20], boxes.DEGENERATE, 'infinite'),
        ([-INF, 0, INF, 20], boxes.DEGENERATE, 'infinite'),
        ([INF, INF, INF, INF], boxes.DEGENERATE, 'infinite'),
    ],
)
def test_fates(box, expected, words):
    result, reason = fate(box)
    assert result == expected
    assert words in reason
    assert bool(reason) == (expected != boxes.OK)


def test_a_sliver_lying_askew_is_degenerate():
    line = [[0, 0], [20, 20], [20, 20], [0, 0]]
    assert fate([0, 0, 20, 20], line)[0] == boxes.DEGENERATE


def test_no_boxes():
    assert boxes.box_statuses(np.zeros((0, 4)), np.zeros((0, 4, 2)), 10, 10) == ([], [])
    assert boxes.bounding_boxes(np.zeros((0, 4, 2))).shape == (0, 4)
    assert boxes.corners(np.zeros((0, 4))).shape == (0, 4, 2)
