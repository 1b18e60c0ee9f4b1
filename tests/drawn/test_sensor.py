import numpy as np
import pytest

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.drawn import sensor
from samrs_mm.drawn.dice import Dice


def frame(*reach: float) -> CropFrame:
    return CropFrame(np.zeros(2), np.eye(2), np.array(reach, float))


@pytest.fixture
def dice():
    return Dice(np.random.default_rng(0))


@pytest.fixture
def stripes():
    image = np.full((64, 64, 3), (60, 120, 90), np.float32)
    image[:, ::2] += 80
    return image


def detail(image: np.ndarray, axis: int) -> float:
    return float(np.abs(np.diff(image.astype(float), axis=axis)).mean())


def test_what_is_seen_is_a_picture_of_the_same_side(dice, stripes):
    for reach in ((8, 4), (30, 30), (300, 20), (1, 1)):
        seen = sensor.seen(dice, stripes.copy(), frame(*reach))
        assert (seen.shape, seen.dtype) == ((64, 64, 3), np.uint8)


def test_detail_finer_than_the_picture_is_lost(stripes):
    fine, coarse = [], []
    for seed in range(20):
        fine.append(
            detail(sensor.seen(Dice(np.random.default_rng(seed)), stripes, frame(90, 90)), 1)
        )
        coarse.append(
            detail(sensor.seen(Dice(np.random.default_rng(seed)), stripes, frame(8, 90)), 1)
        )
    assert np.median(coarse) < 0.3 * np.median(fine)


def test_some_pictures_are_grey_some_have_other_colours_and_the_most_their_own(dice, stripes):
    grey, order = 0, 0
    for _ in range(300):
        mean = sensor.seen(dice, stripes, frame(90, 90)).reshape(-1, 3).astype(float)
        spread = np.abs(mean[:, 0] - mean[:, 1]).mean()
        means = mean.mean(axis=0)
        grey += np.ptp(means - means.mean()) < 12 and spread < 15
        order += bool(np.argsort(means).tolist() == [0, 2, 1])
    assert 20 < grey < 130
    assert 150 < order < 290


def test_grain_grows_with_the_root_of_the_light():
    rng = np.random.default_rng(0)
    for level, expected in ((128, 4), (32, 2)):
        flat = np.full((100, 100, 3), level, np.float32)
        noise = sensor.grainy(rng, flat, 4, 1, 0) - level
        assert noise.std() == pytest.approx(expected, rel=0.05)
        assert np.abs(np.ptp(noise, axis=2)).max() < 1e-3, 'the bands have it in common'
    assert np.ptp(sensor.grainy(rng, flat, 4, 0, 1), axis=2).mean() > 2


def test_sharpening_raises_edges_and_keeps_flats():
    step = np.zeros((20, 40, 3), np.float32)
    step[:, 20:] = 100
    sharp = sensor.sharpened(step, 0.5, 1.5)
    assert sharp.max() > 110
    assert sharp.min() < -10
    np.testing.assert_allclose(sharp[:, [0, -1]], step[:, [0, -1]], atol=1e-3)


def test_beyond_the_border_is_no_data_and_mostly_said_to_be(dice):
    told_apart, black = 0, 0
    for _ in range(100):
        image = np.full((64, 64, 3), 99, np.uint8)
        data, told = sensor.cut_off(dice, image)
        assert 0.5 < data.mean() < 1
        assert (image[data] == 99).all()
        assert np.ptp(image[~data].astype(int)) == 0
        assert told.all() or np.array_equal(told, data)
        told_apart += not told.all()
        black += not image[~data].any()
        if told.all():
            assert not image[~data].any(), 'pixels that nobody calls no data are at least black'
    assert 45 < told_apart < 75
    assert black > 70
