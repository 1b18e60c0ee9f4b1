import numpy as np
import pytest

from samrs_mm.core import masks
from samrs_mm.drawing.colours import STATUS_COLOURS, class_colour, colour_labels
from samrs_mm.drawing.overlays import beside, box_colour, draw_boxes, is_lost, overlay
from samrs_mm.drawing.panels import pixel_panel
from samrs_mm.formats.annotated.entries import BoxEntry


def box(status, polygon, mask=None, label=1):
    entry = BoxEntry.new(
        1, 'a.txt:1', label, 'ship', 'hbox', np.array(polygon, float), None, None, status
    )
    if mask is not None:
        entry.enter_mask(masks.Mask(masks.encode(mask)), '')
    return entry


def square(x, y, side):
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]


def test_masks_are_tinted_and_boxes_outlined_by_status():
    image = np.full((120, 120, 3), 100, np.uint8)
    mask = np.zeros((120, 120), bool)
    mask[36:60, 36:60] = True
    kept = box('ok', square(30, 30, 36), mask)
    lost = box('outside', square(80, 80, 30))
    drawn = overlay(image, [kept, lost])
    assert image.max() == 100
    np.testing.assert_array_equal(drawn[30, 45], STATUS_COLOURS['kept'])
    assert (drawn[80, 80:111] == STATUS_COLOURS['outside']).all(1).any()
    expected = (0.55 * 100 + 0.45 * np.array(class_colour(1))).astype(np.uint8)
    np.testing.assert_array_equal(drawn[48, 48], expected)
    np.testing.assert_array_equal(drawn[5, 5], [100, 100, 100])


def test_boxes_without_numbers_are_left_out():
    image = np.zeros((8, 8, 3), np.uint8)
    assert not overlay(image, [box('degenerate', [[np.nan, 1]] * 4)]).any()


@pytest.mark.parametrize(
    ('status', 'lost'), [('ok', False), ('kept', False), ('filtered', True), ('failed', True)]
)
def test_a_box_has_the_colour_of_its_status_or_of_its_class(status, lost):
    entry = box(status, square(0, 0, 9), label=3)
    assert box_colour(entry) == (class_colour(3) if status == 'ok' else STATUS_COLOURS[status])
    assert is_lost(entry) == lost


def test_lost_boxes_are_dashed_and_named_with_their_status():
    image, boxes = np.full((200, 200, 3), 100, np.uint8), [box('empty', square(60, 60, 100))]
    panels = [pixel_panel(image, 200) for _ in range(3)]
    draw_boxes(panels[0], boxes)
    draw_boxes(panels[1], [box('kept', square(60, 60, 100))])
    draw_boxes(panels[2], boxes, ['plane', 'ship'])
    drawn = [(p.picture == STATUS_COLOURS[s]).all(2).sum()
             for p, s in zip(panels, ('empty', 'kept', 'empty'), strict=True)]  # fmt: skip
    assert 0.3 * drawn[1] < drawn[0] < 0.8 * drawn[1]
    assert drawn[2] > drawn[0] + 100


def test_beside():
    image = np.full((2, 3, 3), 9, np.uint8)
    labels = np.array([[0, 1, 255], [0, 1, 255]], np.uint8)
    prediction = np.array([[0, 0, 0], [1, 1, 1]], np.int64)
    picture = beside(image, labels, prediction)
    assert picture.shape == (2, 9, 3)
    np.testing.assert_array_equal(picture[:, :3], image)
    np.testing.assert_array_equal(picture[:, 3:6], colour_labels(labels))
    first = colour_labels(np.array([[0]]))[0, 0]
    np.testing.assert_array_equal(picture[0, 6:], [first, first, first // 4])
    np.testing.assert_array_equal(beside(image, None, prediction)[:, 3:], colour_labels(prediction))
