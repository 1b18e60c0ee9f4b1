import numpy as np
import pytest

from samrs_mm.formats.corrections.shapes import check_ring, crossing, ring_digest, ring_of


def test_edges_that_cross_are_found_and_those_that_touch_are_not():
    bow = np.array([[0, 0], [10, 10], [10, 0], [0, 10]], float)
    assert crossing(bow) == (0, 2)
    assert crossing(bow[[0, 2, 1, 3]]) is None
    # two squares that share a corner, as the outline of pixels that touch at one
    touching = np.array([[0, 0], [2, 0], [2, 2], [4, 2], [4, 4], [2, 4], [2, 2], [0, 2]], float)
    assert crossing(touching) is None
    angles = np.linspace(0, 2 * np.pi, 1500, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1) * 100
    assert crossing(circle) is None
    circle[[1200, 1210]] = circle[[1210, 1200]]
    assert crossing(circle) is not None


@pytest.mark.parametrize(
    ('points', 'says'),
    [
        ([[0, 0], [5, 5]], 'shapes[1] has 2 points; a polygon has at least 3'),
        ([[70, 0], [80, 0], [80, 9]], 'shapes[1] lies outside the image of 64 x 48 px'),
        ([[0, 0], [9, 9], [9, 0], [0, 9]], 'crosses itself (the edges from points 0 and 2, near 0'),
    ],
)
def test_polygons_that_cannot_be(points, says):
    with pytest.raises(ValueError, match='shapes') as caught:
        check_ring(np.array(points, float), 'shapes[1]', (64, 48))
    assert says in str(caught.value)


@pytest.mark.parametrize('points', [None, 'a', [1, 2], [[1], [2]], [['a', 2]], [[np.nan, 2]]])
def test_points_that_are_none(points):
    with pytest.raises(ValueError, match=r'shapes\[0\]\.points is'):
        ring_of(points, 'shapes[0]')


def test_digests_of_rings_forget_less_than_a_hundredth_of_a_pixel():
    ring = np.array([[0, 0], [5.001, 0], [5, 5]])
    assert ring_digest(ring) == ring_digest([[0, 0], [5.0, -0.0], [5, 5]])
    assert ring_digest(ring) != ring_digest([[0, 0], [5.02, 0], [5, 5]])
