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


QUAD = [[10, 0], [30, 8], [28, 20], [2, 17]]
coordinates = st.floats(-1e6, 1e6)


def status_of(box, polygon=None, width=100, height=50):
    hbox = np.array([box], float)
    polygons = boxes.corners(hbox) if polygon is None else np.array([polygon], float)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        (result,), (reason,) = boxes.box_statuses(hbox, polygons, width, height)
    return result, reason


@given(polygon_arrays)
def test_bounding_box_encloses_the_polygon_and_touches_it(polygons):
    bounds = boxes.bounding_boxes(polygons)
    assert (polygons >= bounds[:, None, :2]).all()
    assert (polygons <= bounds[:, None, 2:]).all()
    np.testing.assert_array_equal(boxes.bounding_boxes(boxes.corners(bounds)), bounds)


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
def test_box_statuses(box, expected, words):
    result, reason = status_of(box)
    assert result == expected
    assert words in reason
    assert bool(reason) == (expected != boxes.OK)


def test_a_sliver_lying_askew_is_degenerate():
    line = [[0, 0], [20, 20], [20, 20], [0, 0]]
    assert status_of([0, 0, 20, 20], line)[0] == boxes.DEGENERATE


def test_no_boxes():
    assert boxes.box_statuses(np.zeros((0, 4)), np.zeros((0, 4, 2)), 10, 10) == ([], [])
    assert boxes.bounding_boxes(np.zeros((0, 4, 2))).shape == (0, 4)
    assert boxes.corners(np.zeros((0, 4))).shape == (0, 4, 2)


def label(hbox=None, polygon=None, rotated=None):
    def array(values):
        return None if values is None else np.array(values, float)

    return boxes.BoxLabel('a:1', 'ship', array(hbox), array(polygon), array(rotated))


def test_horizontal_label():
    shapes = boxes.geometry([label(hbox=[1, 2, 9, 12])])
    np.testing.assert_array_equal(shapes.hboxes, [[1, 2, 9, 12]])
    np.testing.assert_array_equal(shapes.polygons, [[[1, 2], [9, 2], [9, 12], [1, 12]]])
    np.testing.assert_array_equal(shapes.centres, [[5, 7]])


def test_polygon_label():
    shapes = boxes.geometry([label(polygon=QUAD)])
    np.testing.assert_array_equal(shapes.hboxes, [[2, 0, 30, 20]])
    np.testing.assert_array_equal(shapes.polygons, [QUAD])
    np.testing.assert_array_equal(shapes.centres, [[17.5, 11.25]])


def test_rotated_label():
    angle = np.arctan2(3, 4)
    shapes = boxes.geometry([label(rotated=[50, 40, 20, 10, angle])])
    # half axes (8, 6) and (-3, 4)
    expected = {(55, 50), (61, 42), (45, 30), (39, 38)}
    assert {tuple(np.round(corner, 9)) for corner in shapes.polygons[0]} == expected
    np.testing.assert_allclose(shapes.hboxes, [[39, 30, 61, 50]])
    np.testing.assert_array_equal(shapes.centres, [[50, 40]])


def test_positive_angles_turn_the_long_side_down_on_the_right():
    shapes = boxes.geometry([label(rotated=[0, 0, 20, 2, np.pi / 4])])
    right = shapes.polygons[0][shapes.polygons[0, :, 0] > 0]
    assert (right[:, 1] > 0).all()


def test_annotated_hbox_wins_over_the_bounds():
    both = [
        label(hbox=[0, 0, 40, 40], polygon=QUAD),
        label(hbox=[0, 0, 40, 40], rotated=[20, 20, 10, 4, 0]),
    ]
    shapes = boxes.geometry(both)
    np.testing.assert_array_equal(shapes.hboxes, [[0, 0, 40, 40]] * 2)
    np.testing.assert_allclose(shapes.centres, [[17.5, 11.25], [20, 20]])


def test_mixed_labels_keep_their_order():
    labels = [
        label(rotated=[50, 40, 20, 10, 0]),
        label(hbox=[1, 2, 9, 12]),
        label(polygon=QUAD),
        label(rotated=[5, 4, 2, 1, 0]),
    ]
    shapes = boxes.geometry(labels)
    assert len(shapes) == 4
    for row, one in enumerate(labels):
        alone = boxes.geometry([one])
        for name in ('hboxes', 'polygons', 'centres'):
            np.testing.assert_array_equal(getattr(shapes, name)[row], getattr(alone, name)[0])


def test_no_labels():
    shapes = boxes.geometry([])
    assert len(shapes) == 0
    assert shapes.hboxes.shape == (0, 4)
    assert shapes.polygons.shape == (0, 4, 2)
    assert shapes.centres.shape == (0, 2)
    assert shapes.rhboxes is None


def test_nan_stays_nan_without_a_warning():
    labels = [
        label(hbox=[NAN, 2, 9, 12]),
        label(polygon=[[NAN, 0], *QUAD[1:]]),
        label(rotated=[50, 40, 20, 10, NAN]),
        label(polygon=QUAD),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        shapes = boxes.geometry(labels)
    for values in (shapes.hboxes, shapes.polygons):
        np.testing.assert_array_equal(
            np.isnan(values.reshape(4, -1)).any(axis=1), [True, True, True, False]
        )


def test_cutting_and_shifting():
    labels = [label(polygon=QUAD), label(hbox=[1, 2, 9, 12]), label(hbox=[3, 4, 5, 6])]
    shapes = boxes.geometry(labels)[np.array([2, 0])].shifted(-10, 5)
    np.testing.assert_array_equal(shapes.hboxes, [[-7, 9, -5, 11], [-8, 5, 20, 25]])
    np.testing.assert_array_equal(shapes.polygons[1], np.add(QUAD, [-10, 5]))
    np.testing.assert_array_equal(shapes.centres[0], [-6, 10])


def test_infinite_sides_and_angles_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        shapes = boxes.geometry([label(rotated=[5, 5, 2, 1, np.inf])])
    assert np.isnan(shapes.hboxes).all()


def test_lines_without_blank_ones():
    text = '\ufeff a b \r\n\r\n  \nc\n'
    assert list(boxes.lines_of(text, 'a.txt')) == [('a.txt:1', 'a b'), ('a.txt:4', 'c')]


def test_what_is_no_box_becomes_a_problem():
    def read(box_id, category):
        if category == 'bad':
            raise boxes.BadBoxError('no box')
        return boxes.BoxLabel(box_id, category)

    labels = boxes.read_boxes([('a:1', 'ship'), ('a:2', 'bad'), ('a:3', 'plane')], read)
    assert [(box.box_id, box.category) for box in labels.boxes] == [
        ('a:1', 'ship'),
        ('a:3', 'plane'),
    ]
    assert labels.problems == [boxes.LabelProblem('a:2', 'no box')]


def test_problems_are_kept_in_order():
    labels = boxes.ParsedLabels()
    labels.add_problem('a:1', 'x')
    labels.add_problem('a:2', 'y')
    assert labels.problems == [boxes.LabelProblem('a:1', 'x'), boxes.LabelProblem('a:2', 'y')]
    assert boxes.ParsedLabels().problems == []


def test_numbers():
    assert boxes.to_float(' 1.5', '') == 1.5
    assert boxes.to_float('inf', '') == float('inf')
    with pytest.raises(boxes.BadBoxError, match='x is odd'):
        boxes.to_float('odd', 'x is odd')


def test_corners_of_a_label_may_stand_in_any_order():
    quad = np.array([(1, 1), (9, 1), (1, 5), (9, 5)], float)
    label = boxes.BoxLabel('a:1', 'ship', polygon=quad, notes=('before',))
    np.testing.assert_array_equal(label.polygon, [(1, 1), (9, 1), (9, 5), (1, 5)])
    assert label.notes == ('before', boxes.CROSSED)
    label = boxes.BoxLabel('a:1', 'ship', hbox=np.array([9.0, 1, 1, 5]))
    np.testing.assert_array_equal(label.hbox, [1, 1, 9, 5])
    assert label.notes == (boxes.EXCHANGED,)


def test_corners_in_order_are_left_alone():
    quad, hbox = np.array(QUAD, float), np.array([1.0, 2, 3, 4])
    label = boxes.BoxLabel('a:1', 'ship', hbox, quad)
    assert label.hbox is hbox
    assert label.polygon is quad
    assert not label.notes
    assert not boxes.BoxLabel('a:1', 'ship', hbox=np.array([NAN, 5, 3, 6])).notes
    label = boxes.BoxLabel('a:1', 'ship', hbox=np.array([NAN, 6, 3, 5]))
    np.testing.assert_array_equal(label.hbox, [NAN, 5, 3, 6])


@pytest.mark.parametrize(
    ('width', 'height', 'size'),
    [(8, '6', (8, 6)), (8.0, 6, (8, 6)), ('x', 6, None), (None, None, None), (0, 0, None),
     (8.5, 6, None), (INF, 6, None), ([8], 6, None)],
)  # fmt: skip
def test_stated_size(width, height, size):
    assert boxes.stated_size(width, height) == size


def test_a_coordinate_beyond_any_image_is_told():
    for box in ([0, 0, 1e30, 20], [-1e9, 5, 20, 20]):
        status, reason = status_of(box)
        assert status == boxes.DEGENERATE
        assert 'is beyond any image' in reason
