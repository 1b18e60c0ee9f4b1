import numpy as np

from samrs_mm.core import masks
from samrs_mm.drawing.overlays import class_colour, overlay


def box(status: str, polygon, mask=None) -> dict:
    segmentation = None if mask is None else masks.encode(mask)
    return dict(status=status, polygon=polygon, category_id=2, segmentation=segmentation)


def test_masks_are_tinted_and_boxes_outlined():
    image = np.full((40, 40, 3), 100, np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[12:20, 12:20] = True
    kept = box('kept', [[10, 10], [22, 10], [22, 22], [10, 22]], mask)
    lost = box('outside', [[30, 30], [38, 30], [38, 38], [30, 38]])
    drawn = overlay(image, [kept, lost])
    assert image.max() == 100
    assert drawn[10, 15].min() > 200
    assert drawn[30, 34, 0] > 200 > drawn[30, 34, 1]
    expected = (0.55 * 100 + 0.45 * np.array(class_colour(1))).astype(np.uint8)
    np.testing.assert_array_equal(drawn[16, 16], expected)
    np.testing.assert_array_equal(drawn[5, 5], [100, 100, 100])


def test_boxes_without_numbers_are_left_out():
    image = np.zeros((8, 8, 3), np.uint8)
    assert not overlay(image, [box('degenerate', [[None, 1]] * 4)]).any()
