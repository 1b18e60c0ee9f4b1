"""Clicks, boxes and masks to GrabCut."""

import cv2
import numpy as np
import pytest

from samrs_mm.core.clicks import ClickedMask
from samrs_mm.models.prompt_segmentors.grabcut import GrabCutSegmentor
from samrs_mm.models.prompt_segmentors.grabcut_clicks import (
    CLICK_SIDE,
    edge_strength,
    labels_of,
)

SIZE = (120, 160)


@pytest.fixture(scope='module')
def scene():
    """Two bright objects of one colour on a dark ground, and their masks."""
    rng = np.random.default_rng(0)
    image = rng.integers(20, 60, (*SIZE, 3)).astype(np.uint8)
    masks = np.zeros((2, *SIZE), bool)
    masks[0, 30:60, 30:70] = masks[1, 70:100, 100:140] = True
    for mask in masks:
        image[mask] = rng.integers(180, 230, (mask.sum(), 3))
    return image, masks


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


def test_a_click_finds_what_it_lies_in_and_nothing_else(scene):
    image, masks = scene
    found = GrabCutSegmentor().click(image, [[50, 45, 1]])
    assert iou(found.mask, masks[0]) > 0.95
    assert (found.score, found.stability) == (None, None)


@pytest.mark.parametrize('radius', [8, 30, 120, 250])
def test_one_click_finds_objects_of_any_size(radius):
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(40, 110, (640, 640, 3)).astype(np.uint8), (0, 0), 2)
    truth = np.zeros((640, 640), np.uint8)
    cv2.ellipse(truth, (320, 300), (radius, int(radius * 0.6)), 20, 0, 360, 1, -1)
    image[truth > 0] += 70
    cv2.circle(image, (60, 60), 30, (160, 160, 160), -1)
    found = GrabCutSegmentor().click(image, [[320, 300, 1]])
    assert iou(found.mask, truth > 0) > 0.95


def test_the_edge_of_a_crop_is_no_edge_of_a_mask():
    image = np.zeros((20, 30, 3), np.uint8)
    image[:, 15:] = 200
    half = image[..., 0] > 0
    strong = edge_strength(image, half)
    shifted = np.roll(half, 4, axis=1)
    assert strong > 3 * edge_strength(image, shifted)
    assert edge_strength(image, np.ones((20, 30), bool)) == 0
    assert edge_strength(image, np.zeros((20, 30), bool)) == 0


def test_a_click_beside_the_object_takes_away_what_is_wrong(scene):
    image, masks = scene
    box = [20, 20, 150, 110]
    both = GrabCutSegmentor().click(image, [[50, 45, 1]], box)
    assert iou(both.mask, masks.any(axis=0)) > 0.9
    labels, _ = labels_of(SIZE, [[50, 45, 1], [120, 85, 0]], box, both, 0.55)
    assert labels[85, 120] == cv2.GC_BGD
    assert labels[45, 50] == cv2.GC_FGD
    assert labels[5, 5] == cv2.GC_BGD  # outside of the box
    assert labels[35, 35] == cv2.GC_PR_FGD
    assert labels[65, 80] == cv2.GC_PR_BGD
    less = GrabCutSegmentor().click(image, [[50, 45, 1], [120, 85, 0]], box, both)
    assert not less.mask[83:88, 118:123].any()


def test_a_mask_so_far_is_the_start(scene):
    image, masks = scene
    start = np.zeros(SIZE, bool)
    start[35:50, 35:60] = True
    for previous in (start, ClickedMask(start)):
        found = GrabCutSegmentor().click(image, [[65, 55, 1]], previous=previous)
        assert iou(found.mask, masks[0]) > 0.9


def test_a_box_alone_is_cut_as_a_prompt_is(scene):
    image, masks = scene
    assert iou(GrabCutSegmentor().click(image, [], [26, 26, 74, 64]).mask, masks[0]) > 0.95
    corners = [[26, 26], [74, 26], [74, 64], [26, 64]]
    assert iou(GrabCutSegmentor().click(image, [], corners).mask, masks[0]) > 0.95


def test_a_large_object_is_cut_smaller(scene):
    image, masks = scene
    found = GrabCutSegmentor(max_side=60).click(image, [], [26, 26, 74, 64])
    assert iou(found.mask, masks[0]) > 0.8


def test_who_clicks_on_a_large_object_does_not_wait(monkeypatch):
    image = np.full((900, 900, 3), 40, np.uint8)
    truth = cv2.ellipse(np.zeros((900, 900), np.uint8), (450, 450), (250, 170), 20, 0, 360, 1, -1)
    image[truth > 0] = 200
    image[100:120, 100:120] = 200
    sizes, settle = [], GrabCutSegmentor._settled
    monkeypatch.setattr(
        GrabCutSegmentor, '_settled',
        lambda self, crop, labels: (sizes.append(crop.shape[:2]), settle(self, crop, labels))[1],
    )  # fmt: skip
    found = GrabCutSegmentor().click(image, [], [190, 230, 710, 670])
    assert iou(found.mask, truth > 0) > 0.98
    fine = truth > 0
    fine[450, 450] = False
    again = GrabCutSegmentor().click(image, [[450, 300, 1]], previous=fine)
    assert max(max(size) for size in sizes) == CLICK_SIDE
    assert not again.mask[450, 450]  # nothing changed there, so its details stay
    assert iou(again.mask, fine) > 0.98


def test_the_same_clicks_give_the_same_mask(scene):
    image, _ = scene
    first, second = (GrabCutSegmentor().click(image, [[50, 45, 1]]).mask for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_pixels_without_data_are_no_part_of_it(scene):
    image, _ = scene
    valid = np.ones(SIZE, bool)
    valid[:, :50] = False
    assert not GrabCutSegmentor().click(image, [[60, 45, 1]], valid=valid).mask[:, :50].any()


def test_without_any_background_it_is_the_box(scene):
    image, _ = scene
    assert GrabCutSegmentor().click(image, [], [0, 0, 160, 120]).mask.all()


def test_what_cannot_be_asked_is_named(scene):
    image, _ = scene
    with pytest.raises(ValueError, match='one on the object is needed'):
        GrabCutSegmentor().click(image, [[5, 5, 0]])
    with pytest.raises(ValueError, match='lies outside'):
        GrabCutSegmentor().click(image, [[161, 5, 1]])
