import cv2
import numpy as np
import shapely
from rasterio import features

from samrs_mm.formats.vector.polygons import multipolygon


def test_a_hole_stays_one():
    pixels = np.ones((5, 6), bool)
    pixels[1:3, 2:4] = False
    shape = multipolygon(pixels, 10, 20)
    assert shape.bounds == (10, 20, 16, 25)
    assert shape.area == pixels.sum()
    [part] = shape.geoms
    assert [hole.coords[0] for hole in part.interiors] == [(12, 21)]


def test_any_mask_is_valid_and_exact():
    rng = np.random.default_rng(0)
    for seed in range(40):
        noise = rng.normal(size=(30, 41)).astype(np.float32)
        pixels = cv2.GaussianBlur(noise, (0, 0), 0.5 + seed % 4) > 0
        shape = multipolygon(pixels, 3, 2)
        assert shape.is_valid
        assert shape.area == pixels.sum()
        again = features.rasterize([shape], (32, 44)).astype(bool)
        assert np.array_equal(again[2:, 3:], pixels)
        areas = [part.area for part in shape.geoms]
        assert areas == sorted(areas, reverse=True)


def test_an_empty_mask():
    assert multipolygon(np.zeros((0, 0), bool)) == shapely.MultiPolygon()
    assert multipolygon(np.zeros((2, 2), bool)).is_empty
