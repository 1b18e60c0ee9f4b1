import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samrs_mm.models.layers.windows import from_windows, to_windows

SIZES = dict(
    batch=st.integers(1, 3),
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    size=st.integers(1, 5),
    channels=st.integers(1, 3),
)


def counted(*shape):
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float64).view(shape)


@settings(max_examples=40)
@given(**SIZES)
def test_windows_are_cut_row_by_row(batch, rows, columns, size, channels):
    maps = counted(batch, rows * size, columns * size, channels)
    windows = to_windows(maps, size)
    assert windows.shape == (batch * rows * columns, size * size, channels)
    expected = [
        image[top : top + size, left : left + size].reshape(-1, channels)
        for image in maps
        for top in range(0, rows * size, size)
        for left in range(0, columns * size, size)
    ]
    assert all(map(torch.equal, windows, expected))


@settings(max_examples=40)
@given(**SIZES)
def test_there_and_back(batch, rows, columns, size, channels):
    height, width = rows * size, columns * size
    maps = counted(batch, height, width, channels)
    assert torch.equal(from_windows(to_windows(maps, size), size, height, width), maps)
    windows = counted(batch * rows * columns, size * size, channels)
    assert torch.equal(to_windows(from_windows(windows, size, height, width), size), windows)


def test_any_memory_layout():
    maps = counted(2, 5, 6, 9).permute(0, 3, 2, 1)  # (2, 9, 6, 5)
    windows = to_windows(maps, 3)
    assert torch.equal(windows, to_windows(maps.contiguous(), 3))
    transposed = windows.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(from_windows(transposed, 3, 9, 6), maps)


def test_sides_must_be_whole_windows():
    with pytest.raises(RuntimeError):
        to_windows(torch.zeros(1, 8, 7, 1), 7)
