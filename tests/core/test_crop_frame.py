import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.core.masks import fill_polygon

UPRIGHT = np.array([[10.0, 20], [50, 20], [50, 30], [10, 30]])


def turned(corners, angle):
    c, s = np.cos(angle), np.sin(angle)
    middle = corners.mean(axis=0)
    return (corners - middle) @ np.array([[c, s], [-s, c]]) + middle


@pytest.mark.parametrize('first', range(4))
@pytest.mark.parametrize('step', [1, -1])
def test_any_first_corner_and_sense_put_the_longer_side_along_x(first, step):
    frame, half = CropFrame.around(np.roll(UPRIGHT[::step], first, axis=0))
    np.testing.assert_allclose(frame.centre, [30, 25])
    np.testing.assert_allclose(half, [20, 5])
    np.testing.assert_allclose(np.abs(frame.axes), np.eye(2), atol=1e-12)
    margin = 0.06 * 40 + 0.22 * 20 + 1
    np.testing.assert_allclose(frame.reach, half + margin)


@pytest.mark.parametrize(
    'corners',
    [[[5, 5]] * 4, [[5, 5], [9, 5], [9, 5], [5, 5]], [[5, 5], [5, 5], [5, 9], [5, 9]]],
    ids=['point', 'no height', 'no width'],
)
def test_a_box_without_sides_has_a_frame(corners):
    frame, half = CropFrame.around(np.array(corners))
    assert np.isfinite(frame.reach).all()
    assert (frame.reach >= 1).all()
    assert (half > 0).all()
    np.testing.assert_allclose(frame.axes @ frame.axes.T, np.eye(2), atol=1e-12)
    assert frame.cut(np.zeros((20, 20, 3), np.uint8), 16).shape == (16, 16, 3)


def test_a_quadrilateral_is_taken_by_the_smallest_rectangle_around_it():
    frame, half = CropFrame.around(np.array([[0.0, 0], [40, 0], [40, 10], [3, 10]]))
    np.testing.assert_allclose(half, [20, 5], atol=1e-4)
    np.testing.assert_allclose(frame.centre, [20, 5], atol=1e-4)


@given(
    angle=st.floats(0, 6.3),
    sides=st.tuples(st.floats(30, 80), st.floats(10, 60)),
    shift=st.tuples(st.floats(80, 110), st.floats(80, 110)),
)
def test_a_mask_cut_and_pasted_stays_where_it_was(angle, sides, shift):
    box = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * sides + shift
    box = turned(box, angle)
    mask = fill_polygon(box, 220, 220)
    frame, half = CropFrame.around(box)
    crop = frame.cut(mask.astype(np.float32), 128)
    # In the crop the box lies upright in the middle, as far from the border as its margin says.
    low, high = 64 * (1 - half / frame.reach), 64 * (1 + half / frame.reach)
    inside = fill_polygon(np.array([low, [high[0], low[1]], high, [low[0], high[1]]]), 128, 128)
    pixel = (128 / (2 * frame.reach)).max()
    assert (inside != (crop > 0.5)).mean() < 4 * 128 * pixel / 128**2
    rows, columns = window = frame.window(220, 220)
    back = np.zeros(mask.shape, bool)
    back[rows, columns] = frame.paste(crop, window) > 0.5
    assert (back != mask).sum() <= 0.06 * mask.sum()


def test_a_shrunk_crop_is_averaged():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (640, 640, 3), np.uint8)
    frame = CropFrame(np.array([320.0, 320]), np.eye(2), np.array([320.0, 320]))
    wanted = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(frame.cut(image, 64).astype(int) - wanted).max() <= 1


def test_beyond_the_picture_its_border_goes_on_or_a_constant():
    image = np.full((10, 10, 3), 7, np.uint8)
    frame = CropFrame(np.zeros(2), np.eye(2), np.array([8.0, 8]))
    assert (frame.cut(image, 16) == 7).all()
    cut = frame.cut(np.ones((10, 10), np.uint8), 16, cv2.BORDER_CONSTANT)
    assert cut[:7].sum() == cut[:, :7].sum() == 0
    assert cut[9:, 9:].all()
    assert frame.window(10, 10) == (slice(0, 8), slice(0, 8))
    away = CropFrame(np.array([-50.0, 5]), np.eye(2), np.array([8.0, 8]))
    rows, columns = away.window(10, 10)
    assert columns.stop - columns.start == 0 or rows.stop - rows.start == 0


SMOOTH = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8), None, 3
)


@pytest.mark.parametrize('centre', [[60, 45], [3, 80], [-4, 95], [300, -200]])
@pytest.mark.parametrize('angle', [0, 0.7])
@pytest.mark.parametrize('reach', [6.0, 20.0, 90.0])
def test_what_lies_beyond_the_crop_changes_nothing(centre, angle, reach):
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    frame = CropFrame(np.array(centre, float), axes, np.array([reach, reach / 2]))
    shifted = CropFrame(frame.centre + np.array([500, 700]), axes, frame.reach)
    # OpenCV places pixels by whole 32ths, so that a picture that is not smooth would differ.
    wide = np.pad(SMOOTH, ((700, 0), (500, 0), (0, 0)))
    inside = frame.inside(90, 120, 32)
    difference = np.abs(frame.cut(SMOOTH, 32).astype(int) - shifted.cut(wide, 32))
    assert difference[_far_from(~inside)].max(initial=0) <= 2


def _far_from(where):
    return cv2.dilate(where.astype(np.uint8), np.ones((9, 9))) == 0


@pytest.mark.parametrize('length', [32_767, 70_000])
def test_a_picture_longer_than_opencv_warps(length):
    image = np.zeros((40, length, 3), np.uint8)
    image[10:30, length // 4 : length // 2] = 255
    end = CropFrame(np.array([length / 2, 20.0]), np.eye(2), np.array([20.0, 20]))
    crop = end.cut(image, 40)
    assert (crop[12:28, :19] == 255).all()
    assert (crop[:, 21:] == 0).all()
    whole = CropFrame(np.array([length / 2, 20.0]), np.eye(2), np.array([length / 2, 20]))
    crop = whole.cut(image, 40)
    assert (crop[12:28, 11:19] == 255).all()
    assert crop[:, 21:].max() == crop[:, :9].max() == 0


def test_of_a_bool_picture_nothing_mixed_is_true():
    valid = np.ones((60, 60), bool)
    valid[:, 31:] = False
    for reach in (8.0, 30.0, 60.0):
        frame = CropFrame(np.array([30.0, 30]), np.eye(2), np.full(2, reach))
        crop = frame.cut(valid, 32)
        assert crop.dtype == bool
        shares = frame.cut(valid.astype(np.float32), 32)
        np.testing.assert_array_equal(crop, shares > 0.998)
        assert 0 < crop.sum() < crop.size


@given(
    centre=st.tuples(st.floats(-20, 60), st.floats(-20, 60)),
    angle=st.floats(0, 6.3),
    reach=st.tuples(st.floats(1, 40), st.floats(1, 40)),
)
def test_pixels_inside_the_picture(centre, angle, reach):
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    frame = CropFrame(np.array(centre), axes, np.array(reach))
    y, x = (np.mgrid[:16, :16] + 0.5) / 8 - 1
    points = frame.centre + (np.stack([x, y], -1) * frame.reach) @ axes
    wanted = ((points >= 0) & (points <= [50, 40])).all(axis=-1)
    found = frame.inside(40, 50, 16)
    assert (found != wanted).sum() <= 1  # a middle on the very border
    if not frame.crosses(40, 50):
        assert found.all()


def test_values_seen_from_another_frame():
    coarse = CropFrame(np.array([50.0, 40]), np.eye(2)[::-1], np.array([32.0, 16]))
    values = np.random.default_rng(1).normal(size=(16, 16)).astype(np.float32)
    same = coarse.seen_from(values, coarse, (16, 16))
    np.testing.assert_allclose(same, values, atol=1e-5)
    ramp = np.tile(np.arange(16, dtype=np.float32), (16, 1))
    part = CropFrame(coarse.centre + 8 * coarse.axes[0], coarse.axes, np.array([4.0, 2]))
    wanted = 8 + (2 + (np.arange(8) + 0.5 - 4) / 4) - 0.5
    found = coarse.seen_from(ramp, part, (8, 4))
    np.testing.assert_allclose(found, np.tile(wanted, (4, 1)), atol=0.05)


def test_a_crop_that_is_no_square_is_pasted():
    frame = CropFrame(np.array([20.0, 10]), np.eye(2), np.array([12.0, 6]))
    values = np.ones((12, 24), np.float32)
    pasted = frame.paste(values, (slice(0, 20), slice(0, 40)))
    wanted = np.zeros((20, 40), bool)
    wanted[4:16, 8:32] = True
    np.testing.assert_array_equal(pasted > 0.5, wanted)
