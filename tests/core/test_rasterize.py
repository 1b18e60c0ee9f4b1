import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from samrs_mm.core import rle
from samrs_mm.core.rasterize import fill_polygon

HEIGHT, WIDTH = 40, 60


def by_coco(polygon, height=HEIGHT, width=WIDTH):
    flat = np.asarray(polygon, float).reshape(1, -1).tolist()
    return coco_mask.decode(coco_mask.frPyObjects(flat, height, width))[..., 0].astype(bool)


def near_the_edge(polygon, distance):
    ring = shapely.linestrings(np.vstack([polygon, polygon[:1]]))
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return shapely.distance(ring, shapely.points(x, y)) <= distance


def polygons(low, high):
    return st.lists(st.tuples(*[st.floats(low, high)] * 2), min_size=3, max_size=6).map(np.array)


@given(polygons(-500, 500))
def test_near_the_image_it_is_cocos_own(polygon):
    mask = fill_polygon(polygon, HEIGHT, WIDTH)
    assert mask.shape == (HEIGHT, WIDTH)
    assert mask.dtype == bool
    assert mask.flags.f_contiguous
    np.testing.assert_array_equal(mask, by_coco(polygon))


@settings(max_examples=60)
@given(polygons(-9000, 9000))
def test_far_ones_are_cut_off_without_moving_an_edge_by_a_pixel(polygon):
    differ = fill_polygon(polygon, HEIGHT, WIDTH) != by_coco(polygon)
    assert not differ.any() or near_the_edge(polygon, 1.0)[differ].all()


def test_a_far_polygon_that_crosses_itself_stays_whole():
    bowtie = np.array([[-9000, 0], [9000, 40], [9000, 0], [-9000, 40.0]])
    crossing = fill_polygon(bowtie, HEIGHT, WIDTH)
    assert crossing.sum() == pytest.approx(by_coco(bowtie).sum(), abs=60)


def test_huge_coordinates_are_cut_before_the_rasteriser_walks_them(monkeypatch):
    walked = []
    original = rle.from_polygon

    def from_polygon(polygon, height, width):
        walked.append(polygon)
        return original(polygon, height, width)

    monkeypatch.setattr(rle, 'from_polygon', from_polygon)
    box = np.array([[-1e7, 10], [1e7, 10], [1e7, 20], [-1e7, 20]])
    mask = fill_polygon(box, HEIGHT, WIDTH)
    assert np.abs(walked).max() < 2000
    assert mask[10:20].all()
    assert mask.sum() == 10 * WIDTH


@pytest.mark.parametrize('offset', [(0, 500), (5000, 0), (-5000, -5000)])
def test_outside_is_empty(offset):
    box = np.array([[0, 0], [50, 0], [50, 30], [0, 30]]) + np.array(offset)
    assert not fill_polygon(box, HEIGHT, WIDTH).any()


def test_whole_pixels():
    mask = fill_polygon(np.array([[3, 5], [9, 5], [9, 8], [3, 8]]), HEIGHT, WIDTH)
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[5:8, 3:9] = True
    np.testing.assert_array_equal(mask, expected)
