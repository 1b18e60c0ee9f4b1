import numpy as np
from boxnet_cases import AT

from samrs_mm.models.boxnet.asked import Asked, Picture
from samrs_mm.models.boxnet.inputs import network_input

BOX = np.array([[20.0, 30], [60, 30], [60, 50], [20, 50]])
IMAGE = np.full((80, 100, 3), 90, np.uint8)


def test_a_box_and_clicks_are_in_pixels_of_the_crop():
    asked = Asked.of_box(BOX, clicks=np.array([[40.0, 40, 1], [60, 50, 0]]))
    sample = asked.sample(Picture(IMAGE), 32)
    np.testing.assert_allclose(sample.clicks[0], [16, 16, 1])
    corner = 16 * (1 + asked.half / asked.frame.reach)
    np.testing.assert_allclose(sample.clicks[1], [*corner, 0])
    np.testing.assert_allclose(sample.half, [20, 10])
    assert sample.valid.all()
    assert sample.image.shape == (32, 32, 3)
    assert not sample.oriented
    assert asked.clicks[0, 0] == 40  # its own stay


def test_a_region_is_the_mask_before():
    asked = Asked.of_box(BOX, oriented=True, region=BOX)
    sample = asked.sample(Picture(IMAGE), 64)
    across = network_input(sample)[[AT['across_x'], AT['across_y']]].min(axis=0)
    assert sample.previous.dtype == np.float32
    assert set(np.unique(sample.previous)) == {0, 1}
    assert ((sample.previous > 0) != (across > 0)).mean() < 0.02
    assert sample.oriented


def test_what_is_known_are_pixels_of_the_picture_with_data():
    valid = np.ones((80, 100), bool)
    valid[:, 50:] = False
    asked = Asked.of_box(BOX - [30, 0])  # from x = -10
    x = asked.frame.centre[0] + ((np.arange(32) + 0.5) / 16 - 1) * asked.frame.reach[0]
    known = asked.sample(Picture(IMAGE), 32).valid
    np.testing.assert_array_equal(known, np.tile(x >= 0, (32, 1)))
    asked = Asked.of_box(BOX)
    x = asked.frame.centre[0] + ((np.arange(32) + 0.5) / 16 - 1) * asked.frame.reach[0]
    known = asked.sample(Picture(IMAGE, valid), 32).valid
    assert known[:, x < 48].all()
    assert not known[:, x > 50].any()


def test_a_point_is_seen_in_an_upright_square():
    asked = Asked.of_point(np.array([40.0, 30]), 20, np.array([[44.0, 30, 1]]))
    sample = asked.sample(Picture(IMAGE), 40)
    assert sample.half is None
    np.testing.assert_allclose(sample.clicks, [[24, 20, 1]])
    np.testing.assert_allclose(sample.reach, [20, 20])
