import numpy as np
import pytest

from samrs_mm.core import masks
from samrs_mm.core.boxes import BoxLabel
from samrs_mm.core.regions import fitted, least_shares, pixels_of

BOX = np.array([2.0, 3, 12, 9])
CORNERS = np.array([[2.0, 3], [12, 3], [12, 9], [2, 9]])


def label(region=None, meaning='crowd'):
    return BoxLabel('a:1', 'car', hbox=BOX, meaning=meaning, region=region)


def pixels(shape, rows, columns):
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


SCENE = pixels((20, 30), slice(4, 8), slice(3, 11))


@pytest.mark.parametrize(
    ('region', 'expected'),
    [
        (None, pixels((20, 30), slice(3, 9), slice(2, 12))),
        (masks.encode(SCENE), SCENE),
        (dict(size=[20, 30], counts=[64, 4, *[16, 4] * 7, 392]), SCENE),
        ([[3, 4, 11, 4, 11, 8, 3, 8]], SCENE),
        ([[3, 4, 7, 4, 7, 8, 3, 8], [7, 4, 11, 4, 11, 8, 7, 8]], SCENE),
    ],
    ids=['box', 'text', 'counts', 'polygon', 'polygons'],
)
def test_pixels_of_a_region_in_a_scene_and_in_a_padded_tile(region, expected):
    crowd = label(region)
    whole = pixels_of(crowd, CORNERS, np.zeros(2), (30, 20), (30, 20))
    np.testing.assert_array_equal(masks.decode(whole), expected)
    offset = np.array([5.0, 6])  # 12 px a side, of which the scene has 12 x 10
    tile = pixels_of(crowd, CORNERS - offset, offset, (12, 10), (12, 12))
    found = masks.decode(tile)
    np.testing.assert_array_equal(found[:10], expected[6:16, 5:17])
    assert found.shape == (12, 12)
    assert not found[10:].any()


def test_a_region_of_another_size_becomes_its_box_and_says_so():
    (changed,) = fitted([label(masks.encode(SCENE))], 60, 40)
    assert changed.region is None
    assert changed.notes == (
        'its region is of [20, 30] (height, width), the image of [40, 60] px: its box is taken',
    )
    same = [label(masks.encode(SCENE)), label([[0, 0, 4, 0, 4, 4]]), label()]
    assert fitted(same, 30, 20) == same


def test_a_region_lies_in_every_tile_that_it_reaches_into():
    shares = least_shares([label(), label(meaning='')], 0.7)
    assert 0 < shares[0] < 1e-6
    assert shares[1] == 0.7
    assert least_shares([label(meaning='')], 0.7) == 0.7
