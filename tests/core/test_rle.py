import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from samrs_mm.core import rle

masks = arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)))


@given(masks)
def test_round_trip(mask):
    code = json.loads(json.dumps(rle.encode(mask)))
    back = rle.decode(code)
    assert back.dtype == bool
    np.testing.assert_array_equal(back, mask)
    assert code['size'] == list(mask.shape)
    assert rle.area(code) == mask.sum()


@given(masks)
def test_memory_layout_and_type_change_nothing(mask):
    code = rle.encode(mask)
    assert rle.encode(np.asfortranarray(mask)) == code
    assert rle.encode(mask.astype(np.uint8)) == code
    assert rle.encode(np.repeat(mask, 2, axis=1)[:, ::2]) == code


@given(masks)
def test_bbox_is_the_masks_own(mask):
    x, y, w, h = rle.bbox(rle.encode(mask))
    if not mask.any():
        assert (x, y, w, h) == (0, 0, 0, 0)
        return
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert (x, y) == (columns[0], rows[0])
    assert (x + w, y + h) == (columns[-1] + 1, rows[-1] + 1)


def test_it_is_the_code_of_pycocotools():
    mask = np.zeros((30, 40), bool)
    mask[4:9, 5:30] = True
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert rle.encode(mask) == {'size': [30, 40], 'counts': code['counts'].decode()}


@pytest.mark.parametrize('size', [[4, 4], [8, 9], [800, 800]])
def test_runs_that_do_not_add_up(size):
    """Of these pycocotools makes masks of whatever was in memory, or never returns."""
    code = rle.encode(np.eye(8, dtype=bool)) | {'size': size}
    whole = rle.encode(np.ones(size, bool))
    for work in (rle.decode, rle.checked, lambda mask: rle.shared_area(mask, whole),
                 lambda mask: rle.from_coco(mask, *size)):  # fmt: skip
        with pytest.raises(rle.MaskError, match='do not add up'):
            work(code)


@pytest.mark.parametrize('counts', ['', 'P', '\n', '~', 'oooooooooooooooo0', 'zzzzzz~', 'é', 'N1'])
def test_text_that_is_no_mask(counts):
    with pytest.raises(rle.MaskError):
        rle.decode(dict(size=[90, 120], counts=counts))


@given(masks)
def test_sound_masks_pass(mask):
    code = rle.encode(mask)
    assert rle.checked(code) is code


def test_a_large_sound_mask_passes():
    mask = np.zeros((3000, 2000), bool)
    mask[:, 7::500] = mask[-1, -1] = True
    np.testing.assert_array_equal(rle.decode(rle.encode(mask)), mask)


@given(masks)
def test_pixels_encode_as_their_mask(mask):
    places = np.flatnonzero(mask.ravel('F'))
    assert rle.encode_pixels(places, *mask.shape) == rle.encode(mask)


@given(masks)
def test_every_form_of_coco_gives_the_mask(mask):
    code = rle.encode(mask)
    assert rle.from_coco(code, 1, 1) == code
    runs = np.diff(np.flatnonzero(np.diff(mask.ravel('F'), prepend=False, append=True)), prepend=0)
    runs = np.append(runs, mask.size - runs.sum()) if mask.ravel('F')[-1] else runs
    counted = dict(size=list(mask.shape), counts=runs.tolist())
    assert rle.from_coco(counted, *mask.shape) == code
    assert rle.from_coco([], 4, 4) is rle.from_coco(None, 4, 4) is None


def test_polygons_are_one_mask():
    parts = [[1, 1, 5, 1, 5, 4, 1, 4], [3, 3, 9, 3, 9, 9, 3, 9]]
    both = rle.decode(rle.from_coco(parts, 10, 12))
    drawn = coco_mask.decode(coco_mask.frPyObjects(parts, 10, 12)).any(axis=2)
    np.testing.assert_array_equal(both, drawn)


@pytest.mark.parametrize(
    'polygon', [[1, 1, 4, None, 4, 4], [1, 1, 9e99, 1, 4, 4], [1, 1, 4, 4], [1, 1, 4, 1, 4]]
)
def test_polygons_that_would_take_all_memory_are_refused(polygon):
    with pytest.raises(ValueError, match='a polygon'):
        rle.from_coco([polygon], 8, 8)
