import cv2
import numpy as np
import pytest

from samrs_mm.core.mask_boxes import box_of_mask, loosened


def test_an_upright_box_goes_around_whole_pixels():
    mask = np.zeros((20, 30), bool)
    mask[4:9, 7:19] = True
    assert box_of_mask(mask, False).tolist() == [[7, 4], [19, 4], [19, 9], [7, 9]]


def test_an_oriented_box_is_the_smallest_around_all_pixels():
    mask = np.zeros((60, 60), np.uint8)
    cv2.ellipse(mask, (30, 28), (22, 7), 33, 0, 360, 1, -1)
    found = box_of_mask(mask > 0, True)
    ys, xs = np.nonzero(mask)
    points = np.concatenate([np.stack([xs + i, ys + j], 1) for i in (0, 1) for j in (0, 1)])
    wanted = cv2.minAreaRect(points.astype(np.float32))
    area = np.linalg.norm(found[1] - found[0]) * np.linalg.norm(found[2] - found[1])
    assert area == pytest.approx(wanted[1][0] * wanted[1][1], rel=1e-5)
    sides = sorted(np.linalg.norm(found[i] - found[i - 1]) for i in (1, 2))
    assert sides == pytest.approx([15, 45], abs=2.5)


@pytest.mark.parametrize('oriented', [False, True])
def test_a_single_pixel_has_a_box(oriented):
    mask = np.zeros((5, 5), bool)
    mask[2, 3] = True
    found = box_of_mask(mask, oriented)
    assert np.ptp(found, axis=0).tolist() == pytest.approx([1, 1])


def test_sides_move_by_shares_of_the_extent():
    box = np.array([(10, 20), (50, 20), (50, 40), (10, 40)], float)
    moved = loosened(box, np.array([0.1, 0.2, 0.0, -0.1]))
    assert moved.tolist() == [[6, 16], [50, 16], [50, 38], [6, 38]]
    assert loosened(box, np.zeros(4)).tolist() == box.tolist()


def test_a_turned_box_stays_a_rectangle():
    box = cv2.boxPoints(((30, 30), (20, 8), 25)).astype(float)
    moved = loosened(box, np.array([0.1, 0.15, 0.05, 0.0]))
    first, last = moved[1] - moved[0], moved[3] - moved[0]
    assert first @ last == pytest.approx(0, abs=1e-4)
    assert np.allclose(moved[0] + first + last, moved[2])
    assert np.linalg.norm(first) == pytest.approx(np.linalg.norm(box[1] - box[0]) * 1.15)
