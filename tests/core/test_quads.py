from itertools import permutations

import numpy as np
import pytest
import shapely

from samrs_mm.core.quads import in_order

SQUARE = np.array([(40, 30), (120, 30), (120, 70), (40, 70)], float)


@pytest.mark.parametrize('order', list(permutations(range(4))))
def test_a_box_has_its_area_in_every_order(order):
    given = SQUARE[list(order)]
    found = in_order(given)
    crossed = not shapely.LinearRing(given).is_simple
    assert (found is not None) == crossed
    ring = given if found is None else found
    assert shapely.Polygon(ring).area == 3200
    np.testing.assert_array_equal(ring[0], given[0])


def test_any_four_corners_become_simple_and_simple_ones_stay():
    changed = 0
    for corners in np.random.default_rng(0).random((2000, 4, 2)):
        found = in_order(corners)
        assert (found is None) == shapely.LinearRing(corners).is_simple
        if found is not None:
            assert shapely.LinearRing(found).is_simple
            changed += 1
    assert changed > 500


@pytest.mark.parametrize(
    ('corners', 'area'),
    [
        ([(0, 0), (10, 0), (5, 0), (5, 5)], 25),  # three on a line, turning back
        ([(0, 0), (5, 0), (10, 0), (5, 5)], 25),  # three on a line, in order
        ([(0, 0), (10, 0), (0, 0), (5, 5)], 25),  # a corner twice, opposite
        ([(0, 0), (0, 0), (10, 0), (5, 5)], 25),  # a corner twice, neighbours
        ([(0, 0), (10, 0), (4, 4), (0, 10)], 40),  # concave
        ([(0, 0), (1, 1), (3, 3), (2, 2)], 0),
        ([(7, 7)] * 4, 0),
    ],
)
def test_degenerate_corners(corners, area):
    corners = np.array(corners, float)
    found = in_order(corners)
    assert shapely.Polygon(corners if found is None else found).area == area


def test_a_concave_shape_is_what_its_order_says():
    for order in ([0, 1, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2]):
        assert in_order(np.array([(0, 0), (10, 0), (4, 4), (0, 10)], float)[order]) is None


@pytest.mark.parametrize('value', [np.nan, np.inf, 1e308])
def test_numbers_that_are_none_are_left_as_they_are(value):
    assert in_order(np.array([(0, 0), (value, 0), (0, value), (5, 5)], float)) is None
