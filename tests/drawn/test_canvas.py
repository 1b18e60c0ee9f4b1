import numpy as np
import pytest

from samrs_mm.drawn.canvas import SHIFT, coverage, fill, fixed
from samrs_mm.drawn.outlines import Part, block, rectangle


def test_coverage_is_the_part_of_a_pixel_that_a_union_covers():
    squares = [Part(rectangle(1.0, 3.0, 0.75, 2.5), ''), Part(rectangle(2.0, 3.0, 1.0, 2.0), '')]
    expected = np.zeros((4, 4))
    expected[0, 1:3], expected[1, 1:3], expected[2, 1:3] = 0.25, 1, 0.5
    found = coverage(squares, 0, 0, 4, 4)
    np.testing.assert_allclose(found, expected, atol=0.26)  # OpenCV draws outlines a sample wide
    np.testing.assert_array_equal(coverage(squares, 1, 1, 2, 3), found[1:, 1:3])


def test_lines_are_as_wide_as_asked_for():
    line = Part(np.array([(2.0, 5.0), (18.0, 5.0)]), '', line=3)
    assert coverage([line], 0, 0, 20, 10)[:, 10].sum() == pytest.approx(3, abs=0.3)


def test_fixed_points_count_from_the_middle_of_the_first_pixel():
    np.testing.assert_array_equal(fixed(np.array([(0.5, 1.5)])), [[0, 2**SHIFT]])


def test_fills_reach_half_a_pixel_too_far_at_most():
    image = np.zeros((60, 60), np.uint8)
    fill(image, fixed(block(31.3, 20.6) + 30), 1)
    assert 31.3 * 20.6 < image.sum() < 32.8 * 22.1
