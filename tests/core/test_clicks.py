import numpy as np
import pytest

from samrs_mm.core import clicks


def test_clicks_are_rows_of_numbers():
    np.testing.assert_array_equal(clicks.checked_clicks([[1, 2, 1]]), [[1.0, 2.0, 1.0]])
    assert clicks.checked_clicks([]).shape == (0, 3)


@pytest.mark.parametrize(
    ('given', 'words'),
    [([[1, 2]], 'rows of x, y'), ([[1, 2, 2]], '1 for the object or 0'),
     ([[1, np.nan, 1]], 'rows of x, y'), ('here', 'rows of x, y'), ([[1, 2, 'a']], 'rows of x, y')],
)  # fmt: skip
def test_what_is_no_click_is_named(given, words):
    with pytest.raises(ValueError, match=words):
        clicks.checked_clicks(given)


def test_boxes_are_corners():
    np.testing.assert_array_equal(
        clicks.checked_corners([1, 2, 5, 4]), [[1, 2], [5, 2], [5, 4], [1, 4]]
    )
    turned = [[0, 0], [2, 1], [1, 3], [-1, 2]]
    np.testing.assert_array_equal(clicks.checked_corners(turned), turned)


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ([5, 2, 1, 4], 'is empty'),
        ([1, 2, 3], 'or four corners'),
        ([1, 2, np.inf, 4], 'corners'),
        ('abcd', "four corners are needed, not 'abcd'"),
        ([[1, 2], [3]], 'or four corners'),
    ],
)
def test_what_is_no_box_is_named(given, words):
    with pytest.raises(ValueError, match=words):
        clicks.checked_corners(given)


def test_what_lies_outside_is_named():
    inside = clicks.checked_clicks([[8, 4, 1]])
    clicks.check_inside((4, 8), inside, clicks.checked_corners([-2, -2, 1, 1]))
    with pytest.raises(ValueError, match=r'\[9\.0, 2\.0\] \(x, y\) lies outside the 8 x 4 px'):
        clicks.check_inside((4, 8), clicks.checked_clicks([[9, 2, 0]]), None)
    with pytest.raises(ValueError, match=r'box: .* lies outside the 8 x 4 px image'):
        clicks.check_inside((4, 8), inside, clicks.checked_corners([8, 0, 9, 4]))


def test_a_mask_is_of_the_images_size():
    mask = np.zeros((4, 8), bool)
    assert clicks.checked_mask((4, 8), mask) is mask
    with pytest.raises(ValueError, match=r'previous: 4 x 8 bool, not \(8, 4\) bool as the image'):
        clicks.checked_mask((8, 4), mask)
    with pytest.raises(ValueError, match='previous: 4 x 8 uint8'):
        clicks.checked_mask((4, 8), mask.astype(np.uint8))


def test_the_box_around_a_mask_and_the_clicks_on_the_object():
    mask = np.zeros((10, 20), bool)
    assert clicks.box_of_mask(mask) is None
    mask[2:4, 5:9] = True
    box = clicks.box_of_mask(mask)
    np.testing.assert_array_equal(box, [5, 2, 9, 4])
    asked = clicks.checked_clicks([[15, 3, 1], [0, 9, 0]])
    np.testing.assert_array_equal(clicks.box_around(box, asked), [5, 2, 15, 4])
    assert clicks.box_around(None, asked) is None


def test_something_has_to_tell_of_the_object():
    clicks.refuse_nothing(clicks.checked_clicks([[1, 1, 1]]), None)
    clicks.refuse_nothing(clicks.checked_clicks([]), np.zeros(4))
    with pytest.raises(ValueError, match='one on the object is needed'):
        clicks.refuse_nothing(clicks.checked_clicks([[1, 1, 0]]), None)
