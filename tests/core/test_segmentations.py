import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from samrs_mm.core import masks, segmentations

drawn = arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)))


@given(drawn)
def test_every_form_of_coco_gives_the_mask(mask):
    code = masks.encode(mask)
    assert segmentations.from_coco(code, *mask.shape) == code
    runs = np.diff(np.flatnonzero(np.diff(mask.ravel('F'), prepend=False, append=True)), prepend=0)
    runs = np.append(runs, mask.size - runs.sum()) if mask.ravel('F')[-1] else runs
    counted = dict(size=list(mask.shape), counts=runs.tolist())
    assert segmentations.from_coco(counted, *mask.shape) == code
    assert segmentations.from_coco([], 4, 4) is segmentations.from_coco(None, 4, 4) is None


def test_polygons_are_one_mask():
    parts = [[1, 1, 5, 1, 5, 4, 1, 4], [3, 3, 9, 3, 9, 9, 3, 9]]
    both = masks.decode(segmentations.from_coco(parts, 10, 12))
    drawn = coco_mask.decode(coco_mask.frPyObjects(parts, 10, 12)).any(axis=2)
    np.testing.assert_array_equal(both, drawn)


@pytest.mark.parametrize(
    'polygon', [[1, 1, 4, None, 4, 4], [1, 1, 9e99, 1, 4, 4], [1, 1, 4, 4], [1, 1, 4, 1, 4]]
)
def test_polygons_that_would_take_all_memory_are_refused(polygon):
    with pytest.raises(ValueError, match='a polygon'):
        segmentations.from_coco([polygon], 8, 8)


@pytest.mark.parametrize(
    ('segmentation', 'message'),
    [
        ([1, 1, 5, 1, 5, 4], 'a polygon is 1; a segmentation is a list of polygons'),
        ([[[1, 1], [5, 1], [5, 4]]], 'a polygon is'),
        ([[1, 1, 5, 1, 5, True]], 'a polygon is'),
        ([['1', '1', '5', '1', '5', '4']], 'a polygon is'),
        ([dict(x=1)], 'a polygon is'),
        ([[10**400, 1, 5, 1, 5, 4]], 'not within'),
        ([[float('nan'), 1, 5, 1, 5, 4]], 'not within'),
        ([[1, 1, 5, 1, 5]], 'a polygon of 5 numbers'),
        ([[]], 'a polygon of 0 numbers'),
        ({}, 'a mask of None in an image of'),
        ('PP', 'neither a list of polygons nor run lengths'),
        (7, 'neither a list of polygons nor run lengths'),
        (dict(size=[4, 6]), 'counts are None'),
        (dict(size=[4, 6], counts=24), 'counts are 24'),
        (dict(size=[4, 6], counts=dict(a=1)), 'counts are'),
        (dict(size=[4, 6], counts=[24.0]), 'counts hold 24.0'),
        (dict(size=[4, 6], counts=[[24]]), 'counts hold'),
        (dict(size=[4, 6], counts=['24']), "counts hold '24'"),
        (dict(size=[4, 6], counts=[30, -6]), 'counts hold -6'),
        (dict(size=[4, 6], counts=[20]), 'do not add up to its 6 x 4 px'),
        (dict(size=[4, 6], counts='0'), 'do not add up'),
        (dict(size=[4, 6], counts=b'\xff'), 'is not the text'),
        (dict(size=[6, 4], counts=[24]), 'a mask of [6, 4] in an image of [4, 6]'),
        (dict(size='4x6', counts=[24]), "a mask of '4x6' in an image"),
        (dict(size=[4], counts=[24]), 'a mask of [4] in an image'),
    ],
)
def test_what_is_no_segmentation_is_told(segmentation, message):
    with pytest.raises(masks.MaskError) as info:
        segmentations.from_coco(segmentation, 4, 6)
    assert message in str(info.value)


def test_polygons_whose_edges_cross_are_put_in_order():
    crossed = segmentations.from_coco([[2, 1, 10, 1, 2, 5, 10, 5]], 8, 12)
    assert crossed == segmentations.from_coco([[2, 1, 10, 1, 10, 5, 2, 5]], 8, 12)
    assert masks.area(crossed) == 32
