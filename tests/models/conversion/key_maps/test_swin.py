import pytest
import torch
import torch.nn.functional as F
from mmseg.models.backbones import SwinTransformer
from mmseg.models.utils.embed import PatchMerging

from samrs_mm.models.conversion.conversion import convert
from samrs_mm.models.conversion.key_maps.swin import TO_AUTHORS, TO_OURS

CHANNELS = 6


def random_weights(seed=0):
    generator = torch.Generator().manual_seed(seed)
    sizes = {'reduction.weight': (2 * CHANNELS, 4 * CHANNELS), 'norm.weight': (4 * CHANNELS,),
             'norm.bias': (4 * CHANNELS,)}  # fmt: skip
    return {
        f'layers.1.downsample.{name}': torch.randn(size, generator=generator)
        for name, size in sizes.items()
    }


def microsofts_merging(maps, state):
    """Join 2x2 pixels (B, H, W, C) as the paper's code orders them: down first, then right."""
    maps = F.pad(maps, (0, 0, 0, maps.shape[2] % 2, 0, maps.shape[1] % 2))
    pixels = [maps[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
    weights = {name.removeprefix('layers.1.downsample.'): value for name, value in state.items()}
    merged = torch.cat(pixels, dim=-1).flatten(1, 2)
    normed = F.layer_norm(
        merged, merged.shape[-1:], weights['norm.weight'], weights['norm.bias'], eps=1e-5
    )
    return normed @ weights['reduction.weight'].T


@pytest.mark.parametrize('size', [(8, 6), (7, 6), (5, 9)])
def test_patch_merging_computes_the_same(size):
    state = random_weights()
    maps = torch.randn(2, *size, CHANNELS, generator=torch.Generator().manual_seed(1))
    converted = convert(state, [TO_OURS]).state
    ours = PatchMerging(CHANNELS, 2 * CHANNELS)
    ours.load_state_dict(
        {name.removeprefix('stages.1.downsample.'): value for name, value in converted.items()}
    )
    with torch.no_grad():
        result, grid = ours(maps.flatten(1, 2), size)
    expected = microsofts_merging(maps, state)
    assert grid == tuple(-(-side // 2) for side in size)
    torch.testing.assert_close(result, expected)
    unordered = {name.replace('layers', 'stages'): value for name, value in state.items()}
    ours.load_state_dict(
        {name.removeprefix('stages.1.downsample.'): value for name, value in unordered.items()}
    )
    with torch.no_grad():
        assert not torch.allclose(ours(maps.flatten(1, 2), size)[0], expected, atol=0.1)


def test_back_is_exact():
    state = random_weights()
    back = convert(convert(state, [TO_OURS]).state, [TO_AUTHORS]).state
    assert back.keys() == state.keys()
    assert all(back[name].equal(state[name]) for name in state)


def test_mmsegs_index_of_relative_positions_is_microsofts():
    model = SwinTransformer(embed_dims=4, depths=(1,), num_heads=(1,), strides=(4,),
                            out_indices=(0,))  # fmt: skip
    y, x = torch.meshgrid(torch.arange(7), torch.arange(7), indexing='ij')
    rows, columns = y.flatten(), x.flatten()
    expected = (rows[:, None] - rows + 6) * 13 + columns[:, None] - columns + 6
    name = 'stages.0.blocks.0.attn.w_msa.relative_position_index'
    assert model.state_dict()[name].equal(expected)
