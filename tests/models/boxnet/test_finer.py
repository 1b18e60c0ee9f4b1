import cv2
import numpy as np
import pytest
from boxnet_cases import AT, iou, painter, whole

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.models.boxnet.asked import Asked, Picture
from samrs_mm.models.boxnet.finer import FinerCrop

SIDE = 32


def frame_of(half_x, half_y, angle=0.3):
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return CropFrame(np.array([150.0, 140]), axes, np.array([half_x, half_y], float))


@pytest.mark.parametrize('reach', [(30, 20), (100, 20), (64, 64), (700, 300)])
def test_windows_cover_a_crop_of_up_to_six_times_the_resolution(reach):
    frame = frame_of(*reach)
    finer = FinerCrop.over(frame, SIDE)
    width, height = finer.size
    assert max(width, height) <= 6 * SIDE + 1
    assert finer.pixel == pytest.approx(max(1, 2 * max(reach) / SIDE / 6))
    assert (finer.frame.reach >= frame.reach - 1e-9).all()
    np.testing.assert_allclose(finer.frame.reach * 2 / finer.pixel, finer.size)
    for starts, length in zip(finer.starts, finer.size, strict=True):
        assert starts[0] == 0
        assert starts[-1] == length - SIDE
        assert (np.diff(starts) <= SIDE - SIDE // 3).all()
    everywhere = np.random.default_rng(0).random((height, width)) > 0.5
    count = len(finer.at_border(everywhere, SIDE))
    assert count == len(finer.starts[0]) * len(finer.starts[1])
    assert not finer.at_border(np.ones((height, width), bool), SIDE)


def test_a_window_is_where_its_pixels_are():
    frame = frame_of(100, 50)
    finer = FinerCrop.over(frame, SIDE)
    half = np.array([80.0, 40])
    asked = Asked(frame, half, clicks=np.array([[150.0, 140, 1]]))
    x, y = 24, 8
    chances = np.zeros((SIDE, SIDE), np.float32)
    window = finer.window(asked, x, y, chances)
    # The point at the window's middle, by the finer crop's own map and by the window's.
    point = np.array([170.0, 150])
    by_finer = finer.frame.to_crop(finer.size) @ [*point, 1] - [x, y]
    np.testing.assert_allclose(window.frame.to_crop(SIDE) @ [*point, 1], by_finer, atol=1e-9)
    # The box's centre is the crop's, from wherever it is seen.
    np.testing.assert_allclose(window.frame.centre + window.centre @ frame.axes, frame.centre)
    assert window.half is half
    assert window.previous is chances
    assert window.clicks is asked.clicks


def scene(angle=0.3, half=(110.0, 70.0)):
    """A bright plane-like shape with teeth that a small crop can't hold; its mask and box."""
    teeth = [[0, 0], [1, 0], [1, 1], [0, 1]]
    rows = np.arange(-60, 60, 12)
    outline = np.zeros((280, 300), np.uint8)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    def fill(points):
        moved = np.asarray(points, float) @ turn + [150, 140]
        cv2.fillPoly(outline, [np.round(moved * 16 - 8).astype(np.int32)], 1, cv2.LINE_8, 4)

    fill(np.array([[-100, -60], [60, -60], [60, 60], [-100, 60.0]]))
    for row in rows:
        fill(np.array(teeth) * [40, 5] + [60, row])
    image = np.where(outline[..., None] > 0, np.uint8(230), np.uint8(30)).repeat(3, axis=2)
    box = np.array([[-100, -60], [100, -60], [100, 60], [-100, 60.0]]) @ turn + [150, 140]
    return image, outline > 0, box


def test_a_second_look_sees_what_the_first_could_not():
    image, truth, box = scene()
    asked = [Asked.of_box(box, oriented=True)]
    first, second = (
        next(painter('grey', SIDE, finer=finer).make(Picture(image), asked))
        for finer in (False, True)
    )
    assert iou(whole(first, *truth.shape), truth) < 0.93
    assert iou(whole(second, *truth.shape), truth) > 0.97
    assert second.score == first.score
    np.testing.assert_array_equal(second.logits, first.logits)


def test_windows_get_the_box_and_the_mask_before():
    image, _, box = scene()
    maker = painter('box', SIDE)
    (found,) = maker.make(Picture(image), [Asked.of_box(box, oriented=True)])
    (coarse,) = painter('box', SIDE, finer=False).make(Picture(image), [Asked.of_box(box)])
    filled, before = (whole(each, *image.shape[:2]) for each in (found, coarse))
    assert iou(filled, before) > 0.97
    first, *windows = (crops.numpy() for crops in maker.network.seen)
    assert not first[:, AT['previous']].any()
    crops = np.concatenate(windows)
    crops = crops[crops[:, AT['boxed'], 0, 0] > 0]  # the last pass is filled up
    boxes = crops[:, [AT['across_x'], AT['across_y']]].min(axis=1) > 0
    assert len(crops) > 4
    assert 0.2 < boxes.mean() < 0.8
    assert ((crops[:, AT['previous']] > 0) == boxes).mean() > 0.97


def test_a_mask_without_a_border_is_left():
    image, _, box = scene()
    blank = np.zeros_like(image)
    maker = painter('grey', SIDE)
    (found,) = maker.make(Picture(blank), [Asked.of_box(box)])
    assert not found.mask.any()
    assert len(maker.network.seen) == 1
