import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from backbone_cases import perturb
from rvsa_reference import rvsa

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.layers.rvsa import RVSA, _attend, _by_place
from samrs_mm.models.layers.windows import from_windows, to_windows

DIMS, HEADS = 8, 2


def make(std=0.3, **options):
    torch.manual_seed(0)
    return perturb(RVSA(DIMS, HEADS, **options), std=std)


def still(layer):
    """Let windows neither move, nor grow, nor turn."""
    for branch in (layer.sampling_offsets, layer.sampling_scales, layer.sampling_angles):
        torch.nn.init.zeros_(branch[2].weight)
        torch.nn.init.zeros_(branch[2].bias)
    return layer


def tokens_of(grid, batch=1):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, grid[0] * grid[1], DIMS, generator=generator)


# height // 7 and width // 7, at least 1, against windows of the padded width and height
@pytest.mark.parametrize(
    ('grid', 'released', 'corrected'),
    [
        ((14, 14), (2, 2), (2, 2)),
        ((7, 21), (1, 3), (3, 1)),
        ((9, 22), (1, 3), (4, 2)),
        ((16, 5), (2, 1), (1, 3)),
        ((4, 4), (1, 1), (1, 1)),
    ],
)
@pytest.mark.parametrize('choice', ['released', 'corrected'])
def test_equals_loops(grid, released, corrected, choice):
    layer, tokens = make(offset_divisor=choice), tokens_of(grid, batch=2)
    state = {name: weight.double().numpy() for name, weight in layer.state_dict().items()}
    divisors = dict(released=released, corrected=corrected)[choice]
    with torch.inference_mode():
        result = layer(tokens, grid)
    for one, expected in zip(result, tokens.double().numpy(), strict=True):
        expected = rvsa(state, expected, grid, HEADS, divisors)
        np.testing.assert_allclose(one.numpy(), expected, atol=2e-5, rtol=1e-4)


def test_the_loops_tell_the_divisors_apart():
    """Else the test above would pass with either."""
    tokens = tokens_of((7, 21))
    with torch.inference_mode():
        one, other = (
            make(offset_divisor=name)(tokens, (7, 21)) for name in ('released', 'corrected')
        )
    assert (one - other).abs().max() > 1e-2


@pytest.mark.parametrize('grid', [(14, 14), (10, 15), (32, 32)])
def test_windows_that_stay_are_plain_window_attention(grid):
    layer, tokens = still(make()), tokens_of(grid, batch=2)
    height, width = grid
    top, left = -height % 7 // 2, -width % 7 // 2
    border = (left, -width % 7 - left, top, -height % 7 - top)
    maps = layer.qkv(tokens).view(2, height, width, -1).permute(0, 3, 1, 2)
    maps = F.pad(maps, border).permute(0, 2, 3, 1)
    query, key, value = (
        to_windows(part, 7).view(-1, 49, HEADS, DIMS // HEADS).transpose(1, 2)
        for part in maps.chunk(3, dim=-1)
    )
    bias = torch.empty(len(query), HEADS, 49, 49)
    for i in range(49):
        for j in range(49):
            down, right = i // 7 - j // 7 + 6, i % 7 - j % 7 + 6
            bias[:, :, i, j] = (
                query[:, :, i] @ (layer.rel_pos_h[down] + layer.rel_pos_w[right])
                + layer.relative_position_bias_table[13 * down + right]
            )
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    attended = from_windows(attended.transpose(1, 2).flatten(2), 7, *maps.shape[1:3])
    expected = layer.proj(attended[:, top : top + height, left : left + width].flatten(1, 2))
    torch.testing.assert_close(layer(tokens, grid), expected, rtol=1e-4, atol=1e-5)


def points_of(layer, rows, columns):
    """Sampling points of the first head in tokens of the map, ``(windows, side, side, 2)``."""
    points = layer.sampling_points(torch.zeros(1, DIMS, rows, columns), (rows, columns))[0]
    points = (points + 1) / 2 * torch.tensor([columns - 1, rows - 1])
    return points.unflatten(1, (layer.window_size, -1)).detach()


@pytest.mark.parametrize(('size', 'rows', 'columns'), [(7, 14, 21), (4, 12, 8)])
def test_points_of_windows_that_stay_are_their_tokens(size, rows, columns):
    points = points_of(still(make(window_size=size)), rows, columns)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing='ij')
    expected = to_windows(torch.stack((x, y), dim=-1)[None].float(), size)
    torch.testing.assert_close(points.flatten(1, 2), expected, rtol=0, atol=1e-4)


def test_points_are_scaled_turned_and_moved():
    layer = still(make())
    layer.sampling_scales[2].bias.data[:2] = torch.tensor([1.0, -0.5])
    points = points_of(layer, 7, 7)[0]
    torch.testing.assert_close(points[3, 6], torch.tensor([9.0, 3.0]))
    torch.testing.assert_close(points[6, 3], torch.tensor([3.0, 4.5]))
    layer.sampling_angles[2].bias.data[:1] = math.pi / 2
    points = points_of(layer, 7, 7)[0]
    torch.testing.assert_close(points[3, 6], torch.tensor([3.0, 9.0]))
    torch.testing.assert_close(points[6, 3], torch.tensor([1.5, 3.0]))
    layer.sampling_offsets[2].bias.data[:2] = torch.tensor([1 / 3, -1.0])
    points = points_of(layer, 7, 7)[0]
    torch.testing.assert_close(points[3, 6], torch.tensor([4.0, 6.0]))


def test_beyond_the_map_is_nothing():
    layer = make()
    layer.sampling_offsets[2].bias.data[:] = 100
    result = layer(tokens_of((9, 9)), (9, 9))
    torch.testing.assert_close(result, layer.proj.bias.expand_as(result))


@pytest.mark.parametrize('choice', ['released', 'corrected'])
def test_small_maps_are_finite(choice):
    layer = make(offset_divisor=choice)
    for grid in ((1, 1), (2, 6), (6, 8)):
        assert layer(tokens_of(grid), grid).isfinite().all()


def test_points_keep_float32():
    """In bfloat16 a window scaled by 1.01 would be one scaled by 1.0078."""
    layer = still(make()).bfloat16()
    layer.sampling_scales[2].bias.data[:] = 0.01
    points = layer.sampling_points(torch.zeros(1, DIMS, 7, 7).bfloat16(), (7, 7))
    assert points.dtype == torch.float32
    assert points[0, 0, 3 * 7 + 6, 0].item() == pytest.approx(1.01, abs=1e-4)
    tokens = tokens_of((14, 14)).bfloat16()
    assert layer(tokens, (14, 14)).dtype == torch.bfloat16


def test_gradients_reach_everything():
    layer = make()
    layer(tokens_of((14, 14)), (14, 14)).square().sum().backward()
    idle = [name for name, weight in layer.named_parameters() if not weight.grad.abs().sum() > 0]
    assert not idle


def test_index_tables_are_not_saved():
    assert not {'relative_position_index', 'distances'} & RVSA(DIMS, HEADS).state_dict().keys()


def test_another_divisor_is_refused():
    with pytest.raises(RefusedError, match=r"offset_divisor='swapped'; allowed: released, corr"):
        RVSA(DIMS, HEADS, offset_divisor='swapped')


@pytest.mark.parametrize('windows', [1, 6])
def test_products_and_attention_of_open_sizes(windows):
    """What any size can be traced through is what was computed before, bit for bit but for one."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, windows, 2, 49, 8, generator=generator)
    grid, table = query.unflatten(2, (7, 7)), torch.randn(7, 7, 8, generator=generator)
    by_column = _by_place(grid.transpose(2, 3), table).transpose(2, 3)
    assert torch.equal(_by_place(grid, table), torch.einsum('bnyxc,ykc->bnyxk', grid, table))
    assert torch.equal(by_column, torch.einsum('bnyxc,xkc->bnyxk', grid, table))
    bias = torch.randn(windows, 2, 49, 49, generator=generator)
    wanted = F.scaled_dot_product_attention(query, key, value, bias)
    torch.testing.assert_close(_attend(query, key, value, bias), wanted, rtol=1e-5, atol=1e-5)
