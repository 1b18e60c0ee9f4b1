"""Each block against loops over its formula; the whole is tested with the backbone."""

import math

import pytest
import torch
from torch.nn.functional import conv2d

from samrs_mm.models.layers.vitae import (
    MapAttention,
    NormalCell,
    ParallelConv,
    PyramidReduction,
    ReductionCell,
)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def build(kind, *args, **options):
    torch.manual_seed(0)
    return kind(*args, **options).double()


@pytest.mark.parametrize(
    ('kernel_size', 'dilations', 'ratio', 'paddings'),
    [(7, (1, 2, 3, 4), 4, (2, 5, 8, 11)), (3, (1, 2, 3), 2, (1, 2, 3)), (3, (1, 2), 2, (1, 2))],
)
def test_pyramid(kernel_size, dilations, ratio, paddings):
    module = build(PyramidReduction, 2, 3, kernel_size, dilations, ratio)
    maps = randn(2, 2, 8 * ratio, 5 * ratio)
    tokens = module(maps)
    assert tokens.shape == (2, 8, 5, 3 * len(dilations))
    weights = module.state_dict()
    for number, (dilation, padding) in enumerate(zip(dilations, paddings, strict=True)):
        name = f'convs.{number}.0'
        image, row, column, channel = 1, 2, 0, 2
        total = weights[f'{name}.bias'][channel].clone()
        for y in range(kernel_size):
            for x in range(kernel_size):
                at = row * ratio + y * dilation - padding, column * ratio + x * dilation - padding
                if 0 <= at[0] < maps.shape[2] and 0 <= at[1] < maps.shape[3]:
                    pixel = maps[image, :, at[0], at[1]]
                    total += (weights[f'{name}.weight'][channel, :, y, x] * pixel).sum()
        expected = total * 0.5 * (1 + math.erf(total / 2**0.5))
        torch.testing.assert_close(tokens[image, row, column, 3 * number + channel], expected)


@pytest.mark.parametrize(('ratio', 'strides'), [(1, (1, 1, 1)), (2, (2, 1, 1)), (4, (2, 2, 1))])
def test_parallel_convolutions(ratio, strides):
    module = build(ParallelConv, 4, (8, 6), 10, 2, ratio).eval()
    assert [module[number].groups for number in (0, 3, 6)] == [2, 2, 2]
    weights = module.state_dict()
    maps = expected = randn(1, 4, 12, 8)
    for number, stride in zip((0, 3, 6), strides, strict=True):
        weight, bias = weights[f'{number}.weight'], weights[f'{number}.bias']
        expected = conv2d(expected, weight, bias, stride, padding=1, groups=2)
        if number < 6:  # fresh statistics: mean 0, variance 1
            expected = expected / (1 + 1e-5) ** 0.5
            expected = expected * expected.sigmoid()
    torch.testing.assert_close(module(maps), expected)
    assert expected.shape == (1, 10, 12 // ratio, 8 // ratio)


def attend(module, tokens):
    """Loop over heads and tokens of ``(N, C)``."""
    weights = module.state_dict()
    channels = weights['proj.weight'].shape[0]
    qkv = tokens @ weights['qkv.weight'].T + weights.get('qkv.bias', 0.0)
    width = channels // module.num_heads
    mixed = torch.zeros(len(tokens), channels, dtype=tokens.dtype)
    for start in range(0, channels, width):
        queries, keys, values = (
            qkv[:, offset + start :][:, :width] for offset in (0, channels, 2 * channels)
        )
        for number, query in enumerate(queries):
            scores = torch.exp(keys @ query * width**-0.5)
            mixed[number, start : start + width] = (scores / scores.sum()) @ values
    result = mixed @ weights['proj.weight'].T + weights['proj.bias']
    return result + qkv[:, 2 * channels :] if module.add_values else result


@pytest.mark.parametrize('options', [{}, dict(add_values=True)])
def test_attention_to_the_whole_map(options):
    module = build(MapAttention, 6, 8, 2, None, **options)
    assert (module.qkv.bias is None) == bool(options)
    maps = randn(2, 3, 5, 6)
    expected = torch.stack([attend(module, image.flatten(0, 1)) for image in maps])
    torch.testing.assert_close(module(maps), expected.view(2, 3, 5, 8))


@pytest.mark.parametrize(('height', 'width'), [(8, 4), (7, 4), (3, 9)])
def test_attention_in_windows_sees_the_padding(height, width):
    module = build(MapAttention, 6, 8, 2, 4)
    maps = randn(1, height, width, 6)
    padded = torch.zeros(-(-height // 4) * 4, -(-width // 4) * 4, 6, dtype=maps.dtype)
    padded[:height, :width] = maps[0]
    expected = torch.empty(*padded.shape[:2], 8, dtype=maps.dtype)
    for top in range(0, padded.shape[0], 4):
        for left in range(0, padded.shape[1], 4):
            window = padded[top : top + 4, left : left + 4].reshape(16, 6)
            expected[top : top + 4, left : left + 4] = attend(module, window).view(4, 4, 8)
    torch.testing.assert_close(module(maps)[0], expected[:height, :width])
    if height % 4:
        alone = attend(module, maps[0, -(height % 4) :, :4].reshape(-1, 6))
        assert not torch.allclose(module(maps)[0, -1, :4], alone[-4:]), 'no mask'


def test_each_branch_is_dropped_on_its_own():
    cell = build(NormalCell, 4, 1, 1, None, drop_path=0.5).train()
    maps = randn(64, 2, 2, 4)
    with torch.no_grad():
        branches = [
            cell.attn(cell.norm1(maps)),
            cell.PCM(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1),
        ]
        cell.mlp.fc2.weight.zero_()
        cell.mlp.fc2.bias.zero_()
        moved = cell(maps) - maps
    seen = set()
    for number in range(len(maps)):
        fits = [
            (a, c)
            for a in (0, 2)  # kept branches are scaled by 1 / 0.5
            for c in (0, 2)
            if torch.allclose(moved[number], a * branches[0][number] + c * branches[1][number])
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert len(seen) == 4
    assert NormalCell(4, 1, 1, None).drop_path.drop_prob == 0


def test_reduction_cell_adds_no_input_to_windowed_attention():
    """With attention and perceptron silent, what is left is the parallel convolutions alone."""
    cell = build(ReductionCell, 3, 4, 8, 4, 7, (1, 2), 1, 2, 7).eval()
    for layer in (cell.attn.attn.proj, cell.attn.mlp.fc2):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    maps = randn(1, 3, 16, 24)
    torch.testing.assert_close(cell(maps), cell.PCM(maps).permute(0, 2, 3, 1))
