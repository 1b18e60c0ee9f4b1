import cv2
import numpy as np
import pytest

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.drawn import crop_canvas, crops
from samrs_mm.drawn.crop_canvas import CropCanvas, Placed, Thing
from samrs_mm.drawn.crops import CropDrawer
from samrs_mm.drawn.kinds import KINDS
from samrs_mm.drawn.outlines import Part, block, oval

RED, BLUE = np.array([200.0, 0, 0]), np.array([0.0, 0, 200])


@pytest.fixture
def canvas():
    frame = CropFrame(np.zeros(2), np.eye(2), np.full(2, 20.0))
    return CropCanvas(frame, 20, 40)


def bar(paint=RED, long=1.0, wide=0.5) -> Thing:
    return Thing(KINDS['bar'], [Part(block(long, wide), paint, True)])


def test_a_thing_is_painted_where_and_as_large_as_said(canvas):
    Placed(canvas, bar(), 0.0, (5, 2)).paint_thing(100, True)
    target = canvas.target()
    assert target.sum() == pytest.approx(20.5 * 10.5, rel=0.02)
    ys, xs = np.nonzero(target > 0.5)
    assert (xs.mean() + 0.5, ys.mean() + 0.5) == pytest.approx((25, 22), abs=0.3)
    assert canvas.pixels[44, 50].tolist() == [200, 0, 0, 100]
    assert not canvas.pixels[5, 5].any()


def test_turning_is_clockwise_on_the_screen(canvas):
    head = Thing(KINDS['bar'], [Part(block(0.5, 0.2, 0.5), RED, True)])
    Placed(canvas, head, np.pi / 2).paint_thing(0, True)
    ys, xs = np.nonzero(canvas.target() > 0.5)
    assert ys.mean() > 25
    assert xs.mean() + 0.5 == pytest.approx(20, abs=0.3)


def test_what_stands_above_takes_pixels_from_the_mask(canvas):
    Placed(canvas, bar(), 0.0).paint_thing(0, True)
    whole = canvas.target().sum()
    Placed(canvas, bar(BLUE, 0.5, 2), 0.0).paint_thing(0, False)
    assert canvas.target().sum() == pytest.approx(whole / 2, rel=0.06)


def test_parts_before_the_first_solid_one_are_ground(canvas):
    parts = [Part(block(3, 3), BLUE), Part(block(1, 0.5), RED, True), Part(block(0.1, 0.1), BLUE)]
    thing = Thing(KINDS['bar'], parts)
    np.testing.assert_allclose(thing.size(), (1, 0.5))
    np.testing.assert_array_equal(thing.paint, RED)
    item = Placed(canvas, thing, 0.0)
    item.paint_ground(30)
    assert canvas.pixels[2, 2].tolist() == [0, 0, 200, 30]
    assert not canvas.mask.any()
    item.paint_thing(0, True)
    assert canvas.pixels[2, 2].tolist() == [0, 0, 200, 30]
    assert canvas.target().sum() == pytest.approx(20.5 * 10.5, rel=0.02)
    assert len(list(item.solid())) == 1


def test_shade_leaves_what_it_says(canvas):
    canvas.pixels[:] = 200
    dark = np.zeros((80, 80), np.uint8)
    dark[:, :40] = 255
    canvas.shade(dark, 0.75)
    assert abs(int(canvas.pixels[0, 0, 0]) - 50) <= 1
    assert canvas.pixels[0, 60].tolist() == [200] * 4


@pytest.mark.parametrize('mode', crops.MODES)
def test_targets_equal_a_drawing_of_16_times_the_samples(monkeypatch, mode):
    """Up to what OpenCV's outlines cover too much: half a sample, a quarter of a pixel a side."""
    drawer = CropDrawer(seed=2, looseness=0, misfit=0)
    offsets, band_errors = [], []
    for index in range(8):
        fast = drawer.at(index, 32, mode)
        monkeypatch.setattr(crop_canvas, 'FINER', 16)
        slow = drawer.at(index, 32, mode)
        monkeypatch.undo()
        if not np.array_equal(fast.reach, slow.reach):
            continue  # the coarser drawing showed too little of its object, and was drawn again
        whole = (slow.target > 0.5).astype(np.uint8)
        kernel = np.ones((3, 3), np.uint8)
        near = cv2.dilate(whole, kernel) > cv2.erode(whole, kernel)
        thin = cv2.dilate(cv2.erode(whole, kernel), kernel) < whole
        error = fast.target - slow.target
        grey = (slow.target > 0) & (slow.target < 1)
        far = ~cv2.dilate((near | thin | grey).astype(np.uint8), kernel).astype(bool)
        assert np.abs(error[far]).max(initial=0) < 0.02
        band_errors.append(np.abs(error).max())
        contour, _ = cv2.findContours(whole, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        offsets.append(error.sum() / max(sum(cv2.arcLength(c, True) for c in contour), 1))
    assert len(offsets) >= 7
    assert np.abs(offsets).max() < 0.4
    assert 0 < np.mean(offsets) < 0.3


def test_an_oval_covers_its_area_up_to_a_quarter_of_a_pixel_a_side(canvas):
    Placed(canvas, Thing(KINDS['bar'], [Part(oval(1, 1), RED, True)]), 0.3).paint_thing(0, True)
    radius = np.sqrt(canvas.target().sum() / np.pi)
    assert 10 < radius < 10.3
