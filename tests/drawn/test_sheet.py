import numpy as np

from samrs_mm.core.crop_sample import DrawnCrop
from samrs_mm.drawn.crops import CropDrawer
from samrs_mm.drawn.sheet import contact_sheet, tile


def crop(**change) -> DrawnCrop:
    target = np.zeros((32, 32), np.float32)
    target[8:24, 8:24] = 1
    image = np.full((32, 32, 3), 100, np.uint8)
    known = dict(reach=np.array([40.0, 20]), half=np.array([30.0, 15]), valid=target >= 0)
    return DrawnCrop(image=image, target=target, **(known | change))


def test_a_tile_has_the_crops_shape_its_box_and_its_mask():
    view = tile(crop(), 160)
    assert view.shape == (160, 160, 3)
    assert not view[:40].any(), 'a crop twice as wide as high fills half of the tile'
    assert (view[45, 5] == 100).all()
    assert view[80, 20].tolist() == [255, 160, 60], 'the box from an eighth to seven eighths'
    green = (view == (60, 255, 80)).all(axis=2)
    ys, xs = np.nonzero(green)
    assert 38 < xs.min() < 46 < 114 < xs.max() < 122
    assert 58 < ys.min() < 64 < 96 < ys.max() < 102


def test_clicks_and_the_mask_so_far_are_shown():
    click = np.array([[16.0, 16, 1]])
    previous = np.zeros((32, 32), np.float32)
    previous[:16] = 1
    view = tile(crop(half=None, clicks=click, previous=previous), 160)
    assert view[80, 80].tolist() == [255, 60, 200]
    assert (view == (60, 160, 255)).all(axis=2).any()
    assert not (view == (255, 160, 60)).all(axis=2).any()


def test_a_sheet_has_rows_of_tiles():
    drawer = CropDrawer()
    crops = [drawer.at(index, 32) for index in range(5)]
    assert contact_sheet(crops, columns=3, side=50).shape == (2 * 52, 3 * 52, 3)
    plain = contact_sheet(crops[:2], columns=4, side=32, plain=True)
    assert plain.shape == (34, 4 * 34, 3)
    np.testing.assert_array_equal(plain[:32, :32], crops[0].image)
