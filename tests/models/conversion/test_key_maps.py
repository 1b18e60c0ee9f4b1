import pytest
import torch
import torch.nn.functional as F
from mmseg.models.backbones import SwinTransformer
from mmseg.models.utils.embed import PatchMerging

from samrs_mm.models.conversion.conversion import convert, new_name
from samrs_mm.models.conversion.key_maps import NETWORKS, Network, Rule, whole_rules

CHANNELS = 6
SWIN = NETWORKS['swin']


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
    converted = convert(state, SWIN.rules).state
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
    back = convert(convert(state, SWIN.rules).state, SWIN.to_authors).state
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


NETWORK = Network(
    'a',
    'a',
    rules=(Rule(r'a\.(\w+)', r'b.\1'), Rule('gone')),
    to_authors=(Rule(r'b\.(\w+)', r'a.\1'),),
)


def test_names_of_whole_models_go_there_and_back():
    pairs = {
        'encoder.a.weight': 'backbone.b.weight',
        'encoder.other.bias': 'backbone.other.bias',
        'decoder.blocks.0.weight': 'decode_head.blocks.0.weight',
        'semseghead_1.1.weight': 'heads.sota.weight',
        'semseghead_3.1.bias': 'heads.fast.bias',
        'semseghead.1.bias': 'decode_head.conv_seg.bias',
    }
    there = whole_rules(NETWORK, 'upernet')
    back = whole_rules(NETWORK, 'upernet', back=True)
    assert {name: new_name(name, there) for name in pairs} == pairs
    assert {new_name(name, back): name for name in pairs.values()} == pairs


def test_what_has_no_place_gets_no_name():
    there = whole_rules(NETWORK, 'mask2former')
    assert convert({'encoder.gone': torch.zeros(1)}, there).rows[0].status == 'dropped'
    for name in ('semseghead_4.cls_embed.bias', 'semseghead_1.cls_embed.odd', 'x'):
        assert new_name(name, there) == name
    assert new_name('heads.mine.bias', whole_rules(NETWORK, 'unet', back=True)) == 'heads.mine.bias'
