import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samrs_mm.compat import mmrotate_boxes
from samrs_mm.datasets.boxes import geometry as module
from samrs_mm.datasets.boxes.geometry import geometry
from samrs_mm.formats.boxes.labels import BoxLabel

NAN = float('nan')
QUAD = [[10, 0], [30, 8], [28, 20], [2, 17]]
coordinates = st.floats(-1e6, 1e6)


def label(hbox=None, polygon=None, rotated=None):
    def array(values):
        return None if values is None else np.array(values, float)

    return BoxLabel('a:1', 'ship', array(hbox), array(polygon), array(rotated))


@pytest.fixture(scope='module', autouse=True)
def needs_mmrotate():
    try:
        mmrotate_boxes()
    except ImportError as error:
        pytest.skip(f'no mmrotate: {error}')


@pytest.fixture
def without_mmrotate(monkeypatch):
    def refuse():
        raise ImportError('rotated boxes need mmrotate')

    monkeypatch.setattr(module, 'mmrotate_boxes', refuse)


def test_horizontal_label():
    boxes = geometry([label(hbox=[1, 2, 9, 12])], oriented=True)
    np.testing.assert_array_equal(boxes.hboxes, [[1, 2, 9, 12]])
    np.testing.assert_array_equal(boxes.rhboxes, [[1, 2, 9, 12]])
    np.testing.assert_array_equal(boxes.polygons, [[[1, 2], [9, 2], [9, 12], [1, 12]]])
    np.testing.assert_array_equal(boxes.centres, [[5, 7]])


def test_polygon_label():
    boxes = geometry([label(polygon=QUAD)], oriented=True)
    np.testing.assert_array_equal(boxes.hboxes, [[2, 0, 30, 20]])
    np.testing.assert_array_equal(boxes.rhboxes, [[2, 0, 30, 20]])
    np.testing.assert_array_equal(boxes.polygons, [QUAD])
    np.testing.assert_array_equal(boxes.centres, [[17.5, 11.25]])


def test_rotated_label():
    angle = np.arctan2(3, 4)
    boxes = geometry([label(rotated=[50, 40, 20, 10, angle])], oriented=True)
    # half axes (8, 6) and (-3, 4)
    expected = {(55, 50), (61, 42), (45, 30), (39, 38)}
    assert {tuple(np.round(corner, 9)) for corner in boxes.polygons[0]} == expected
    np.testing.assert_allclose(boxes.hboxes, [[39, 30, 61, 50]])
    np.testing.assert_allclose(boxes.rhboxes, [[39, 30, 61, 50]])
    np.testing.assert_array_equal(boxes.centres, [[50, 40]])


def test_positive_angles_turn_the_long_side_down_on_the_right():
    boxes = geometry([label(rotated=[0, 0, 20, 2, np.pi / 4])], oriented=False)
    right = boxes.polygons[0][boxes.polygons[0, :, 0] > 0]
    assert (right[:, 1] > 0).all()


def test_annotated_hbox_wins_over_the_hull_but_not_over_the_rhbox():
    both = [
        label(hbox=[0, 0, 40, 40], polygon=QUAD),
        label(hbox=[0, 0, 40, 40], rotated=[20, 20, 10, 4, 0]),
    ]
    boxes = geometry(both, oriented=True)
    np.testing.assert_array_equal(boxes.hboxes, [[0, 0, 40, 40]] * 2)
    np.testing.assert_allclose(boxes.rhboxes, [[2, 0, 30, 20], [15, 18, 25, 22]])
    np.testing.assert_allclose(boxes.centres, [[17.5, 11.25], [20, 20]])


def test_mixed_labels_keep_their_order():
    labels = [
        label(rotated=[50, 40, 20, 10, 0]),
        label(hbox=[1, 2, 9, 12]),
        label(polygon=QUAD),
        label(rotated=[5, 4, 2, 1, 0]),
    ]
    boxes = geometry(labels, oriented=True)
    assert len(boxes) == 4
    for row, one in enumerate(labels):
        alone = geometry([one], oriented=True)
        for name in ('hboxes', 'polygons', 'centres', 'rhboxes'):
            np.testing.assert_array_equal(getattr(boxes, name)[row], getattr(alone, name)[0])


@pytest.mark.parametrize('oriented', [False, True])
def test_no_labels(oriented):
    boxes = geometry([], oriented)
    assert len(boxes) == 0
    assert boxes.hboxes.shape == (0, 4)
    assert boxes.polygons.shape == (0, 4, 2)
    assert boxes.centres.shape == (0, 2)
    assert (boxes.rhboxes is None) == (not oriented)


def test_nan_stays_nan_without_a_warning():
    labels = [
        label(hbox=[NAN, 2, 9, 12]),
        label(polygon=[[NAN, 0], *QUAD[1:]]),
        label(rotated=[50, 40, 20, 10, NAN]),
        label(polygon=QUAD),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        boxes = geometry(labels, oriented=True)
    for values in (boxes.hboxes, boxes.rhboxes, boxes.polygons):
        np.testing.assert_array_equal(
            np.isnan(values.reshape(4, -1)).any(axis=1), [True, True, True, False]
        )


def test_cutting_and_shifting():
    labels = [label(polygon=QUAD), label(hbox=[1, 2, 9, 12]), label(hbox=[3, 4, 5, 6])]
    for oriented in (False, True):
        boxes = geometry(labels, oriented)[np.array([2, 0])].shifted(-10, 5)
        np.testing.assert_array_equal(boxes.hboxes, [[-7, 9, -5, 11], [-8, 5, 20, 25]])
        np.testing.assert_array_equal(boxes.polygons[1], np.add(QUAD, [-10, 5]))
        np.testing.assert_array_equal(boxes.centres[0], [-6, 10])
        assert (boxes.rhboxes is None) == (not oriented)
    np.testing.assert_array_equal(boxes.rhboxes, boxes.hboxes)


@pytest.mark.usefixtures('without_mmrotate')
def test_mmrotate_is_asked_only_where_it_is_needed():
    geometry([label(polygon=QUAD), label(hbox=[1, 2, 9, 12])], oriented=False)
    geometry([label(hbox=[1, 2, 9, 12])], oriented=True)
    with pytest.raises(ImportError, match='need mmrotate'):
        geometry([label(polygon=QUAD)], oriented=True)
    with pytest.raises(ImportError, match='need mmrotate'):
        geometry([label(rotated=[5, 4, 2, 1, 0])], oriented=False)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.just(4), st.just(2)), elements=coordinates)
)
def test_rh_box_of_a_polygon_is_exactly_its_hull(polygons):
    boxes = geometry([label(polygon=polygon) for polygon in polygons], oriented=True)
    np.testing.assert_array_equal(boxes.rhboxes[:, :2], polygons.min(axis=1))
    np.testing.assert_array_equal(boxes.rhboxes[:, 2:], polygons.max(axis=1))
    np.testing.assert_array_equal(boxes.rhboxes, boxes.hboxes)


@given(
    centre=st.tuples(coordinates, coordinates),
    size=st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)),
    angle=st.floats(-np.pi / 2, np.pi / 2),
)
def test_rh_box_of_a_rotated_box_encloses_its_corners(centre, size, angle):
    boxes = geometry([label(rotated=[*centre, *size, angle])], oriented=True)
    np.testing.assert_allclose(boxes.rhboxes, boxes.hboxes, atol=1e-6)
    np.testing.assert_allclose(boxes.polygons.mean(axis=1), [centre], atol=1e-6)
    sides = np.linalg.norm(np.diff(boxes.polygons[0], axis=0), axis=1)
    np.testing.assert_allclose(sides[:2], size[::-1], atol=1e-6)
