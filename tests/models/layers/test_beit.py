import math

import pytest
import torch
from timm.layers.pos_embed_rel import resize_rel_pos_bias_table_simple

from samrs_mm.models.layers.beit import RelativeAttention, relative_index, resize_bias_table


def draw(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def attention_of(grid, dims=8, num_heads=2):
    torch.manual_seed(0)
    attention = RelativeAttention(dims, num_heads, grid)
    with torch.no_grad():
        attention.relative_position_bias_table.normal_()
    return attention


@pytest.mark.parametrize('grid', [(1, 1), (2, 3), (4, 2)])
def test_index_counts_offsets_row_by_row(grid):
    height, width = grid
    index = relative_index(grid)
    offsets = [(y, x) for y in range(1 - height, height) for x in range(1 - width, width)]
    places = {offset: place for place, offset in enumerate(offsets)}
    patches = [(y, x) for y in range(height) for x in range(width)]
    for i, (y, x) in enumerate(patches, 1):
        assert index[0, i] == len(offsets)
        assert index[i, 0] == len(offsets) + 1
        for j, (other_y, other_x) in enumerate(patches, 1):
            assert index[i, j] == places[y - other_y, x - other_x]
    assert index[0, 0] == len(offsets) + 2


def test_attention_is_the_formula_with_a_bias_per_offset():
    grid = (2, 3)
    attention = attention_of(grid)
    table, tokens = attention.relative_position_bias_table, draw(2, 7, 8)
    places = [(0, 0), *((y, x) for y in range(2) for x in range(3))]
    query, key, value = attention.qkv(tokens).view(2, 7, 3, 2, 4).unbind(2)
    joined = torch.zeros(2, 7, 2, 4)
    for image in range(2):
        for head in range(2):
            for i, (y, x) in enumerate(places):
                scores = torch.empty(7)
                for j, (other_y, other_x) in enumerate(places):
                    place = 5 * (y - other_y + 1) + x - other_x + 2
                    if 0 in (i, j):
                        place = 15 + (2 if i == j else 0 if i == 0 else 1)
                    score = query[image, i, head] @ key[image, j, head] / math.sqrt(4)
                    scores[j] = score + table[place, head]
                joined[image, i, head] = scores.softmax(0) @ value[image, :, head]
    expected = attention.proj(joined.flatten(2))
    torch.testing.assert_close(attention(tokens, grid, relative_index(grid)), expected)


@pytest.mark.parametrize('grid', [(5, 5), (2, 7), (3, 4)])
def test_tables_are_resized_as_in_timm(grid):
    table = draw(7 * 7 + 3, 2)
    length = (2 * grid[0] - 1) * (2 * grid[1] - 1) + 3
    resized = resize_bias_table(table, (4, 4), grid)
    torch.testing.assert_close(resized, resize_rel_pos_bias_table_simple(table, grid, (length, 2)))
    assert torch.equal(resized[-3:], table[-3:])
    assert resize_bias_table(table, (4, 4), (4, 4)) is table


@pytest.mark.parametrize('grid', [(3, 3), (4, 6)])
def test_loading_resizes_what_running_would(grid):
    """A table of 14x14 patches gives the same on a grid, loaded for it or interpolated on it."""
    small, large = attention_of((14, 14)), attention_of(grid)
    state = small.state_dict()
    before = {name: weight.clone() for name, weight in state.items()}
    large.load_state_dict(state)
    assert all(torch.equal(state[name], weight) for name, weight in before.items())
    tokens = draw(1, 1 + grid[0] * grid[1], 8)
    index = relative_index(grid)
    torch.testing.assert_close(large(tokens, grid, index), small(tokens, grid, index))


def test_own_table_loads_unchanged_whatever_the_grid():
    """1x5 patches have as many offsets as 2x2."""
    trained, other = attention_of((1, 5)), attention_of((1, 5))
    torch.nn.init.zeros_(other.relative_position_bias_table)
    other.load_state_dict(trained.state_dict())
    table = trained.relative_position_bias_table
    assert torch.equal(other.relative_position_bias_table, table)


@pytest.mark.parametrize('length', [1, 2 * 3 + 3, 4 * 4 + 3])
def test_a_table_of_no_square_grid_fails_with_both_shapes(length):
    attention = attention_of((2, 2))
    state = attention.state_dict() | dict(relative_position_bias_table=torch.zeros(length, 2))
    with pytest.raises(RuntimeError, match=rf'bias_table: .*\[{length}, 2\].*\[12, 2\]'):
        attention.load_state_dict(state)
