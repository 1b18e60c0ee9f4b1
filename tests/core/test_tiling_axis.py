import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from samrs_mm.core.tiling import Axis


@st.composite
def axes(draw):
    window = draw(st.integers(1, 40))
    return Axis(draw(st.integers(1, 200)), window, draw(st.integers(1, window)))


@settings(max_examples=200)
@given(axes())
def test_starts_are_those_of_mmsegmentation(axis):
    grids = max(axis.side - axis.window + axis.stride - 1, 0) // axis.stride + 1
    ends = [min(i * axis.stride + axis.window, axis.side) for i in range(grids)]
    assert axis.starts == [max(end - axis.window, 0) for end in ends]


@settings(max_examples=200)
@given(axes())
def test_every_pixel_is_of_one_window_well_inside(axis):
    pixels = [pixel for first, end in axis.owned for pixel in range(first, end)]
    assert pixels == list(range(axis.side))
    half = (axis.length - axis.stride) // 2
    for start, (first, end) in zip(axis.starts, axis.owned, strict=True):
        assert start == 0 or first - start >= half
        assert start + axis.length == axis.side or start + axis.length - end >= half


@settings(max_examples=100)
@given(axes())
def test_counts(axis):
    expected = [
        sum(start <= pixel < start + axis.length for start in axis.starts)
        for pixel in range(axis.side)
    ]
    np.testing.assert_array_equal(axis.counts, expected)
