"""Masks that carry their runs against the same masks read from their text."""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from samrs_mm.core import mask_runs, masks
from samrs_mm.models.prompt_segmentors.base import MaskChunk

HEIGHT, WIDTH = 14, 19
drawn = arrays(bool, (HEIGHT, WIDTH))
full, empty = np.ones((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool)
columns = empty.copy()
columns[:, 4:7] = True


def read(code):
    """The mask as it stands in a file."""
    return json.loads(json.dumps(code))


@given(drawn)
@example(full)
@example(empty)
@example(columns)
def test_known_runs_are_those_of_the_text(mask):
    known = masks.encode_keeping_runs(mask)
    assert known.edges.dtype == np.int64
    assert type(read(known)) is dict
    np.testing.assert_array_equal(known.edges, mask_runs.edges_of(read(known)))
    steps = np.diff(np.pad(mask.ravel('F').astype(int), 1))
    np.testing.assert_array_equal(known.edges, np.flatnonzero(steps))
    for code in (known, read(known)):
        assert masks.bbox(code) == coco_mask.toBbox(read(code)).tolist()
        x, y, part = masks.crop(code)
        np.testing.assert_array_equal(part, mask[y : y + part.shape[0], x : x + part.shape[1]])
        assert part.sum() == mask.sum()


@given(drawn, st.lists(st.tuples(st.floats(-9, 30), st.floats(-9, 30)), min_size=4, max_size=4))
@example(full, [(0, 0), (19, 0), (19, 14), (0, 14)])
@example(columns, [(0, 0), (19, 0), (19, 14), (0, 14)])
def test_measures_do_not_depend_on_where_runs_are_from(mask, polygon):
    if mask.any():
        known = masks.encode_keeping_runs(mask)
        assert masks.measure(known, polygon, None) == masks.measure(read(known), polygon, None)


@pytest.mark.parametrize('policy', masks.OVERLAP_POLICIES)
@given(parts=st.lists(st.tuples(st.integers(0, 254), drawn), max_size=5))
@example(parts=[(3, full), (0, columns), (254, empty), (7, full)])
def test_label_maps_do_not_depend_on_where_runs_are_from(policy, parts):
    made = []
    for copied in (lambda code: code, read):
        codes = [(label, copied(masks.encode_keeping_runs(mask))) for label, mask in parts]
        instances = [masks.Instance(k, code, masks.area(code), 0.1 * k) for k, code in codes]
        made.append(masks.compose(instances, HEIGHT, WIDTH, policy))
    np.testing.assert_array_equal(made[0][0], made[1][0])
    assert made[0][0].flags.c_contiguous
    assert made[0][1] == made[1][1]


@given(drawn, arrays(bool, (24, 26)), st.integers(0, 10), st.integers(0, 7))
@example(full, np.zeros((24, 26), bool), 0, 0)
@example(full, np.ones((24, 26), bool), 10, 7)
def test_a_window_cut_to_valid_pixels_is_its_whole_mask_cut(part, valid, y, x):
    chunk = MaskChunk(part[None], window=(y, x, *valid.shape))
    whole = MaskChunk(chunk.whole())
    assert whole.masks.shape == (1, *valid.shape)
    assert whole.masks.sum() == part.sum()
    for cut in (None, valid):
        assert list(chunk.encoded(cut)) == list(whole.encoded(cut))
    np.testing.assert_array_equal(masks.decode(next(chunk.encoded(valid))), whole.masks[0] & valid)


def test_copies_keep_what_is_known_or_read_the_text():
    code = masks.encode_keeping_runs(columns)
    for other in (copy.copy(code), copy.deepcopy(code), pickle.loads(pickle.dumps(code))):
        assert other == code
        np.testing.assert_array_equal(mask_runs.edges_of(other), code.edges)
    damaged = dict(code, size=[HEIGHT + 1, WIDTH])
    with pytest.raises(masks.MaskError, match='do not add up'):
        masks.crop(damaged)


def test_what_was_just_made_is_not_read_again(monkeypatch):
    code = masks.encode_keeping_runs(columns)
    monkeypatch.setattr(mask_runs, '_runs', lambda _: pytest.fail('the text was read'))
    assert masks.checked(code) is code
    masks.check_size(code, [HEIGHT, WIDTH])
    masks.measure(code, [[0, 0], [9, 0], [9, 9], [0, 9]], None)
    masks.compose([masks.Instance(0, code, 42, None)], HEIGHT, WIDTH, 'score')
