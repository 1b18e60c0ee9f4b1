from dataclasses import replace

import numpy as np
import pytest

from samrs_mm.core.crop_sample import CropSample
from samrs_mm.models.boxnet.inputs import (
    BACKGROUND_CLICKS,
    CHANNELS,
    OBJECT_CLICKS,
    click_discs,
    network_input,
)

SIDE = 32
AT = {name: i for i, name in enumerate(CHANNELS)}
PICTURE = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
BOXED = CropSample(
    image=PICTURE,
    valid=np.ones((SIDE, SIDE), bool),
    reach=np.array([40.0, 20.0]),
    half=np.array([30.0, 10.0]),
)


def channel(sample, name):
    return network_input(sample)[AT[name]]


def test_positions_by_name_are_those_of_the_list():
    assert AT['object_clicks'] == OBJECT_CLICKS
    assert AT['background_clicks'] == BACKGROUND_CLICKS


def test_colours_have_mean_0_and_spread_1():
    colours = network_input(BOXED)[:3]
    assert colours.dtype == np.float32
    np.testing.assert_allclose(colours.mean(axis=(1, 2)), 0, atol=1e-5)
    assert colours.std(axis=(1, 2)).mean() == pytest.approx(1, abs=1e-5)
    grey = PICTURE.mean(axis=2) / 128 - 1
    np.testing.assert_allclose(channel(BOXED, 'grey'), grey, atol=1e-6)


def test_a_flat_crop_is_0_and_not_nan():
    flat = replace(BOXED, image=np.full_like(PICTURE, 77))
    assert (network_input(flat)[:3] == 0).all()


def test_pixels_without_data_are_0_and_change_nothing_of_the_others():
    valid = np.ones((SIDE, SIDE), bool)
    valid[:, 20:] = False
    dark, bright = PICTURE.copy(), PICTURE.copy()
    dark[~valid], bright[~valid] = 0, 255
    first, second = (network_input(replace(BOXED, image=i, valid=valid)) for i in (dark, bright))
    np.testing.assert_array_equal(first, second)
    assert (first[:4, ~valid] == 0).all()
    np.testing.assert_array_equal(first[AT['valid']], valid)
    np.testing.assert_allclose(first[:3, valid].mean(axis=1), 0, atol=1e-5)


def test_a_crop_without_any_data_is_finite():
    nothing = replace(BOXED, valid=np.zeros((SIDE, SIDE), bool))
    found = network_input(nothing)
    assert np.isfinite(found).all()
    assert (found[:4] == 0).all()


def test_the_box_is_1_in_its_middle_and_0_on_its_sides():
    x, y = channel(BOXED, 'across_x'), channel(BOXED, 'across_y')
    assert (x == x[:1]).all()
    assert (y == y[:, :1]).all()
    places = (np.arange(SIDE) + 0.5) / SIDE * 80 - 40
    np.testing.assert_array_equal(x[0] > 0, np.abs(places) < 30)
    np.testing.assert_allclose(x[0], 1 - np.abs(places) / 30, rtol=1e-5)
    np.testing.assert_allclose(y[:, 0], 1 - np.abs(places / 2) / 10, rtol=1e-5)


def test_a_window_sees_the_box_from_its_own_place():
    window = replace(BOXED, reach=np.array([16.0, 16.0]), centre=np.array([-30.0, 4.0]))
    x, y = channel(window, 'across_x')[0], channel(window, 'across_y')[:, 0]
    places = np.arange(SIDE) + 0.5 - 16
    np.testing.assert_allclose(x, 1 - np.abs(places + 30) / 30, atol=1e-6)
    np.testing.assert_allclose(y, np.maximum(1 - np.abs(places - 4) / 10, -4), atol=1e-6)


@pytest.mark.parametrize('half', [[1e-4, 1e-4], [30, 0], [5e5, 1]])
def test_boxes_without_width_stay_finite(half):
    found = network_input(replace(BOXED, half=np.array(half, float)))
    assert np.isfinite(found).all()
    assert np.abs(found[4:6]).max() <= 4


def test_without_a_box_the_crop_gives_size_and_aspect():
    point = network_input(replace(BOXED, half=None))
    assert not point[4:6].any()
    assert not point[AT['boxed']].any()
    assert point[AT['aspect'], 0, 0] == pytest.approx(np.log(2))
    assert point[AT['size'], 0, 0] == pytest.approx(np.log(2) / 2)
    assert network_input(BOXED)[AT['aspect'], 0, 0] == pytest.approx(np.log(3))


def test_flags_and_the_mask_before():
    sample = replace(BOXED, oriented=True, previous=np.eye(SIDE, dtype=np.float32))
    assert (channel(sample, 'oriented') == 1).all()
    assert not channel(BOXED, 'oriented').any()
    assert not channel(BOXED, 'previous').any()
    np.testing.assert_array_equal(channel(sample, 'previous'), 2 * np.eye(SIDE) - 1)


def test_clicks_are_discs_in_planes_of_their_own():
    clicks = np.array([[10.5, 5.5, 1], [12, 5.5, 1], [20.5, 25.5, 0], [-50, 3, 0]])
    found = network_input(replace(BOXED, clicks=clicks))
    objects, background = found[OBJECT_CLICKS], found[BACKGROUND_CLICKS]
    assert objects[5, 10] == objects[5, 11] == background[25, 20] == 1
    assert objects[25, 20] == background[5, 10] == 0
    assert background.sum() == pytest.approx(np.pi * 2.5**2, rel=0.1)
    assert not click_discs(np.zeros((0, 3)), SIDE).any()
