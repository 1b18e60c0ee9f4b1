import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samrs_mm.models.layers.sizes import (
    STRIDES,
    crop_levels,
    cut,
    missing,
    pad_to_multiple,
    parts,
)

SIDES = st.integers(1, 70)


@settings(max_examples=40)
@given(height=SIDES, width=SIDES, divisor=st.sampled_from([1, 7, 16, 32]))
def test_padded_with_zeros_at_the_right_and_the_bottom(height, width, divisor):
    images = torch.rand(2, 3, height, width) + 1
    padded = pad_to_multiple(images, divisor)
    for side, new in zip((height, width), padded.shape[2:], strict=True):
        assert side <= new < side + divisor
        assert new % divisor == 0
    assert torch.equal(padded[..., :height, :width], images)
    assert padded.count_nonzero() == images.numel()


@settings(max_examples=40)
@given(height=SIDES, width=SIDES)
def test_padded_to_a_least_side(height, width):
    padded = pad_to_multiple(torch.ones(1, 1, height, width), 16, 32)
    expected = [max(32, math.ceil(side / 16) * 16) for side in (height, width)]
    assert list(padded.shape[2:]) == expected
    assert padded.count_nonzero() == height * width


def test_nothing_is_copied_without_need():
    images = torch.rand(1, 3, 32, 64)
    assert pad_to_multiple(images, 32) is images
    assert pad_to_multiple(images, 16, 32) is images


@settings(max_examples=40)
@given(height=SIDES, width=SIDES)
def test_levels_are_cropped_to_whatever_an_image_touches(height, width):
    padded = pad_to_multiple(torch.zeros(2, 1, height, width), 32)
    levels = [
        torch.rand(2, 4, padded.shape[2] // stride, padded.shape[3] // stride) for stride in STRIDES
    ]
    for level, cropped, stride in zip(
        levels, crop_levels(levels, height, width), STRIDES, strict=True
    ):
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        assert torch.equal(cropped, level[:, :, :rows, :columns])
        assert cropped.shape == (2, 4, rows, columns)


@given(side=st.integers(1, 10**6), divisor=st.integers(1, 64))
def test_what_a_side_lacks(side, divisor):
    assert missing(side, divisor) == -side % divisor
    assert parts(side, divisor) == math.ceil(side / divisor)


@given(start=st.integers(0, 4), length=st.integers(1, 5), dim=st.sampled_from([0, 1, 2, -1, -2]))
def test_a_cut_is_a_view(start, length, dim):
    maps = torch.arange(9.0**3).view(9, 9, 9)
    wanted = maps.movedim(dim, 0)[start : start + length].movedim(0, dim)
    found = cut(maps, dim, start, length)
    assert torch.equal(found, wanted)
    assert found.data_ptr() == wanted.data_ptr()  # not copied
