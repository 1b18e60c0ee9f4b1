"""Masks scaled up by windows against SAM's own code on the whole."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from logit_cases import SIZES, gathered, objects, scaled_by_torch, slow

from samrs_mm.core.errors import SegmentorError
from samrs_mm.models.prompt_segmentors import bilinear, logit_windows
from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.scale_up import scale_up


def fast(low_res, frame, threshold=0.0):
    return gathered(scale_up(low_res, frame, threshold), frame)


@pytest.mark.parametrize('stretched', [False, True])
@pytest.mark.parametrize('size', SIZES.values(), ids=SIZES)
def test_masks_and_stability_are_those_of_the_whole(size, stretched):
    rng = np.random.default_rng(sum(size))
    frame = Frame(1024, size, stretched)
    h, w = np.array(frame.input_size) / 4
    places = [(w / 2, h / 2, 2, 2), (w / 3, h / 2, 9, 4), (0, 0, 5, 5), (w, h, 30, 20),
              (w / 2, h / 2, 300, 200), (w / 2, h / 2, 0.1, 0.1)]  # fmt: skip
    low_res = objects(rng, 256, places)
    masks, stability = fast(low_res, frame)
    expected, scores = slow(low_res, frame)
    np.testing.assert_array_equal(masks, expected)
    np.testing.assert_array_equal(stability, scores)
    assert stability.dtype == np.float32
    assert masks[4].any()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.sampled_from([16, 64, 128]),
    st.booleans(),
    st.sampled_from([-1.0, 0.0, 0.35]),
    st.sampled_from([0.3, 1.5, 20.0]),
)
def test_any_logits_of_any_image(seed, size, side, stretched, threshold, spread):
    rng = np.random.default_rng(seed)
    low_res = rng.normal(-1, spread, (2, side // 4, side // 4)).astype(np.float32)
    low_res[1] += np.float32(1) - low_res[1].max()  # a few places alone exceed the limits
    low_res, frame = torch.as_tensor(low_res), Frame(side, size, stretched)
    assume(min(frame.input_size) > 0)
    masks, stability = fast(low_res, frame, threshold)
    expected, scores = slow(low_res, frame, threshold)
    np.testing.assert_array_equal(masks, expected)
    np.testing.assert_array_equal(stability, scores)


def test_only_the_window_is_scaled_up(monkeypatch):
    monkeypatch.setattr(Frame, 'scale_up', lambda *_: pytest.fail('the whole was scaled up'))
    low_res = objects(np.random.default_rng(0), 256, [(100, 60, 6, 4)], noise=0)
    for size in SIZES.values():
        made = next(scale_up(low_res, Frame(1024, size, True)))
        y, x, (height, width) = made.y, made.x, size
        h, w = made.mask.shape
        assert h <= 17 * max(height / 256, 1)
        assert w <= 21 * max(width / 256, 1)
        assert made.mask.any()
        assert y <= 60 / 256 * height <= y + h
        assert x <= 100 / 256 * width <= x + w


def test_nothing_above_the_limit_is_an_empty_mask():
    low_res = torch.full((2, 64, 64), -1.5)
    low_res[1, 50:, :] = 5.0  # all of it in the padding
    made = list(scale_up(low_res, Frame(256, (100, 256))))
    assert [mask.mask.size for mask in made] == [0, 0]
    assert [mask.stability.item() for mask in made] == [0, 0]


@pytest.mark.parametrize('unknown', ['_places', '_adds_in_one_step'])
def test_where_rounding_is_not_known_the_whole_is_scaled_up(monkeypatch, unknown):
    monkeypatch.setattr(bilinear, unknown, lambda *_: None)
    bilinear.axis.cache_clear()
    whole = []
    monkeypatch.setattr(
        Frame, 'scale_up', lambda frame, low: whole.append(1) or scaled_by_torch(low, frame)
    )
    rng, frame = np.random.default_rng(0), Frame(1024, (333, 500))
    low_res = objects(rng, 256, rng.uniform(20, 120, (12, 4)))
    try:
        masks, stability = fast(low_res, frame)
    finally:
        bilinear.axis.cache_clear()
    expected, scores = slow(low_res, frame)
    np.testing.assert_array_equal(masks, expected)
    np.testing.assert_array_equal(stability, scores)
    assert whole


def test_values_of_a_part_are_within_the_stated_rounding():
    picture = torch.as_tensor(np.random.default_rng(0).normal(0, 9, (60, 80)), dtype=torch.float32)
    for size in ((45, 210), (301, 97), (240, 320), (60, 80)):
        resize = bilinear.Resize(bilinear.axis(60, size[0]), bilinear.axis(80, size[1]))
        whole = bilinear.bilinear(picture[None, None], size)[0, 0]
        wanted = (size[0] // 3, size[0] - 5), (4, size[1] // 2)
        given = resize.rows.inputs(wanted[0]), resize.columns.inputs(wanted[1])
        part = resize.part(picture[slice(*given[0]), slice(*given[1])], given, wanted)
        difference = (part - whole[slice(*wanted[0]), slice(*wanted[1])]).abs().max()
        assert difference <= bilinear.ROUNDING * picture.abs().max()
        assert resize.exact == (size in ((240, 320), (60, 80)))
        if resize.exact:
            assert difference == 0


def test_no_memory_for_a_single_mask_is_one_clear_line(monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(logit_windows, '_scale_up', fail)
    low_res = objects(np.random.default_rng(0), 64, [(30, 30, 9, 9)])
    with pytest.raises(SegmentorError, match='out of memory with a single prompt'):
        list(scale_up(low_res, Frame(256, (99, 99))))
