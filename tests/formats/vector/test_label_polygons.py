import numpy as np
import pytest
import shapely
from rasterio import features

from samrs_mm.formats.vector.label_polygons import LabelPolygons


def drawn(size=(61, 47)):
    """A map of regions that bend, nest, touch at corners and cross many strips."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, (size[0] // 4 + 1, size[1] // 4 + 1)).repeat(4, 0).repeat(4, 1)
    labels = labels[: size[0], : size[1]].astype(np.uint8)
    labels[5:50, 3:40] = 1
    labels[9:45, 7:30] = 2
    labels[12:40, 10:20] = 1
    labels[20, 15] = labels[21, 16] = labels[30:34, 33:36] = 255
    labels[:, 44] = 0
    return np.where(rng.random(size) < 0.03, rng.integers(0, 4, size), labels).astype(np.uint8)


def whole(labels):
    found = features.shapes(labels, mask=labels != 255, connectivity=4)
    return {(int(value), shapely.normalize(shapely.geometry.shape(s)).wkt) for s, value in found}


@pytest.mark.parametrize('rows', [1, 2, 7, 60, 61])
def test_strips_of_any_height_give_the_polygons_of_the_whole(rows):
    labels, polygons = drawn(), LabelPolygons()
    found = [each for top in range(0, 61, rows) for each in polygons.push(labels[top : top + rows])]
    found += polygons.finish()
    assert {(value, polygon.wkt) for value, polygon in found} == whole(labels)
    assert len(found) == len(whole(labels))
    assert shapely.is_valid([polygon for _, polygon in found]).all()
    assert sum(polygon.area for _, polygon in found) == (labels != 255).sum()
    assert any(polygon.interiors for _, polygon in found)


def test_what_is_finished_is_not_held():
    labels, polygons = np.zeros((8, 8), np.uint8), LabelPolygons()
    labels[1:3, 2:4] = 1
    labels[5:, 5:] = 2
    assert polygons.push(labels[:2]) == []
    assert [value for value, _ in polygons.push(labels[2:5])] == [1]
    assert [value for value, _ in polygons.push(labels[5:])] == []
    assert [value for value, _ in polygons.finish()] == [0, 2]


def test_no_labels_give_no_polygons():
    polygons = LabelPolygons()
    assert polygons.push(np.full((5, 5), 255, np.uint8)) == polygons.finish() == []
