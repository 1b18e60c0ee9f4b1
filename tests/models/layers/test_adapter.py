import math

import pytest
import torch
import torch.nn.functional as F
from adapter_reference import deformable_attention
from mmcv.ops import MultiScaleDeformableAttention

from samrs_mm.models.layers.adapter import (
    ConvFFN,
    DeformableAttention,
    Extractor,
    Grids,
    Injector,
    SpatialPriorModule,
    cell_centres,
)

SHAPES = [(6, 4), (3, 2), (2, 1)]
HEADS, DIMS = 4, 32


def draw(queries=5):
    generator = torch.manual_seed(0)
    return (
        torch.randn(2, queries, DIMS, generator=generator),
        torch.rand(queries, 2, generator=generator),
        torch.randn(2, 24 + 6 + 2, DIMS, generator=generator),
    )


def perturbed(module):
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in module.parameters():
            weight += 0.3 * torch.randn(weight.shape)
    return module


@pytest.fixture
def attention():
    return perturbed(DeformableAttention(DIMS, HEADS, num_levels=3, value_ratio=0.5))


def mmcvs():
    return MultiScaleDeformableAttention(
        DIMS, HEADS, num_levels=3, dropout=0, batch_first=True, value_proj_ratio=0.5
    )


def test_attention_equals_mmcvs_without_identity(attention):
    query, where, value = draw()
    theirs = mmcvs()
    theirs.load_state_dict(attention.state_dict())
    reference = theirs(
        query,
        value=value,
        identity=torch.zeros_like(query),
        reference_points=where[None, :, None].expand(2, -1, 3, -1),
        spatial_shapes=torch.tensor(SHAPES),
        level_start_index=torch.tensor([0, 24, 30]),
    )
    torch.testing.assert_close(attention(query, where, value, SHAPES), reference)


def test_attention_equals_the_formula(attention):
    query, where, value = (part.double() for part in draw())
    attention.double()
    expected = deformable_attention(
        {f'attn.{name}': weight for name, weight in attention.state_dict().items()},
        'attn',
        query,
        where,
        value,
        SHAPES,
        HEADS,
    )
    torch.testing.assert_close(attention(query, where, value, SHAPES), expected)


def test_attention_starts_as_mmcvs():
    ours = DeformableAttention(DIMS, HEADS, num_levels=3, value_ratio=0.5).state_dict()
    theirs = mmcvs().state_dict()
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        if name.startswith(('value_proj', 'output_proj')) and name.endswith('weight'):
            bound = math.sqrt(6 / sum(weight.shape))
            assert 0.9 * bound < ours[name].abs().max() < bound
        else:
            torch.testing.assert_close(ours[name], weight)


def test_locations_keep_their_precision_under_autocast(attention):
    """On a wide map half a pixel is less than bfloat16 resolves near the right border."""
    shapes = [(1, 400)] * 3
    query, _, _ = draw(1)
    with torch.no_grad():
        for part in (attention.sampling_offsets, attention.attention_weights):
            part.weight.zero_()
            part.bias.zero_()
    stripes = torch.arange(400).remainder(2).mul(2.0).sub(1).repeat(3)[None, :, None]
    value = stripes.expand(2, -1, DIMS)
    where = torch.tensor([[399.5 / 400, 0.5]])
    exact = attention(query, where, value, shapes)
    with torch.autocast('cpu', torch.bfloat16):
        rounded = attention(query, where, value, shapes)
    torch.testing.assert_close(rounded.float(), exact, rtol=0.05, atol=0.05)
    assert exact.abs().max() > 0.5


def test_cell_centres():
    expected = [[0.25, 0.5], [0.75, 0.5], [0.5, 0.25], [0.5, 0.75]]
    assert cell_centres([(1, 2), (2, 1)], torch.device('cpu')).tolist() == expected


def test_grids_of_a_grid_of_patches():
    grids = Grids.of((4, 6), torch.device('cpu'))
    assert grids.patches == [(4, 6)]
    assert grids.levels == [(8, 12), (4, 6), (2, 3)]
    assert len(grids.patch_centres) == 24
    assert len(grids.level_centres) == 8 * 12 + 24 + 6
    assert grids.level_centres[8 * 12 : -6].equal(grids.patch_centres)


def test_ffn_convolves_each_level_by_itself():
    torch.manual_seed(0)
    ffn = ConvFFN(DIMS, 8)
    levels = [torch.randn(2, h * w, DIMS) for h, w in SHAPES]
    joint = ffn(torch.cat(levels, dim=1), SHAPES)
    apart = []
    for level, (height, width) in zip(levels, SHAPES, strict=True):
        hidden = ffn.fc1(level).view(2, height, width, 8)
        padded = F.pad(hidden, (0, 0, 1, 1, 1, 1))
        kernel = ffn.dwconv.dwconv.weight[:, 0]
        summed = sum(
            padded[:, dy : dy + height, dx : dx + width] * kernel[:, dy, dx]
            for dy in range(3)
            for dx in range(3)
        )
        apart.append(ffn.fc2(F.gelu(summed + ffn.dwconv.dwconv.bias)).flatten(1, 2))
    torch.testing.assert_close(joint, torch.cat(apart, dim=1))


def test_injector_adds_nothing_at_first():
    grids = Grids.of((4, 6), torch.device('cpu'))
    tokens, pyramid = torch.randn(2, 24, DIMS), torch.randn(2, 96 + 24 + 6, DIMS)
    injector = Injector(DIMS, num_heads=HEADS)
    assert injector(tokens, pyramid, grids).equal(tokens)
    assert not torch.allclose(perturbed(injector)(tokens, pyramid, grids), tokens)


def test_extractor_drops_its_ffn_alone():
    grids = Grids.of((2, 2), torch.device('cpu'))
    pyramid, tokens = torch.randn(1, 21, DIMS), torch.randn(1, 4, DIMS)
    extractor = perturbed(Extractor(DIMS, 0.25, 0.999999, num_heads=HEADS))
    kept = extractor.eval()(pyramid, tokens, grids)
    dropped = extractor.train()(pyramid, tokens, grids)
    attended = pyramid + extractor.attn(
        extractor.query_norm(pyramid),
        grids.level_centres,
        extractor.feat_norm(tokens),
        grids.patches,
    )
    torch.testing.assert_close(dropped, attended)
    assert not torch.allclose(kept, attended, atol=0.1)


def test_spatial_prior_has_four_strides():
    module = SpatialPriorModule(5, 4, DIMS, dict(type='BN'))
    sizes = [tuple(level.shape) for level in module(torch.randn(2, 5, 64, 96))]
    assert sizes == [(2, DIMS, 64 // s, 96 // s) for s in (4, 8, 16, 32)]
