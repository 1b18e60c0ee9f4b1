import numpy as np
import pytest

from samrs_mm.drawn import outlines


def test_turning_is_clockwise_on_the_screen():
    np.testing.assert_allclose(
        outlines.turned([(1, 0), (0, 2)], np.pi / 2), [[0, 1], [-2, 0]], atol=1e-12
    )


def test_ovals_grow_into_boxes_with_the_power():
    square = 10 * 6
    for power, filled in ((2, np.pi / 4), (20, 1)):
        x, y = outlines.oval(10, 6, power, count=400).T
        area = 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))
        assert area == pytest.approx(filled * square, rel=0.03)


def test_outlines_are_mirrored_at_the_axis():
    outline = outlines.mirrored([(3, 0), (1, 2), (-1, 1)])
    np.testing.assert_array_equal(outline[3:], [[-1, -1], [1, -2], [3, 0]])


def area(points: np.ndarray) -> float:
    x, y = points.T
    return 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))


def test_a_ribbon_has_its_width_along_a_straight_and_a_bent_path():
    straight = outlines.ribbon([(0, 0), (3, 4)], 2)
    assert area(straight) == pytest.approx(10)
    bent = outlines.ribbon(outlines.arc(10, 0, np.pi, 60), 1)
    assert area(bent) == pytest.approx(10 * np.pi, rel=0.01)


def test_an_arc_lies_on_its_circle_between_its_angles():
    points = outlines.arc(2, 0, np.pi / 2, 9)
    np.testing.assert_allclose(np.hypot(*points.T), 2)
    np.testing.assert_allclose(points[[0, -1]], [[2, 0], [0, 2]], atol=1e-12)
