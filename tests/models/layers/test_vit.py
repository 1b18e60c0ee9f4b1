import math

import pytest
import torch
import torch.nn.functional as F
from timm.layers import resample_abs_pos_embed
from torch import nn

from samrs_mm.models.layers.vit import (
    Attention,
    Block,
    ChannelNorm,
    FeaturePyramid,
    Mlp,
    PatchEmbed,
    init_vit_weights,
    rescale_residuals,
    resize_pos_embed,
    tokens_to_maps,
)


def draw(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


class Pyramid(FeaturePyramid, nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.build_pyramid(dims)


class Constant(nn.Module):
    """Stands in for attention, and keeps what it is given."""

    def forward(self, tokens, *args):
        self.given = args
        return torch.ones_like(tokens)


def test_tokens_are_patches_row_by_row():
    embed = PatchEmbed(3, 5, patch_size=4)
    images = draw(2, 3, 8, 12)
    tokens, grid = embed(images)
    assert grid == (2, 3)
    for row in range(2):
        for column in range(3):
            patch = images[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            expected = (embed.proj.weight * patch[:, None]).sum((2, 3, 4)) + embed.proj.bias
            torch.testing.assert_close(tokens[:, 3 * row + column], expected)
    maps = tokens_to_maps(tokens, grid)
    torch.testing.assert_close(maps, embed.proj(images))


@pytest.mark.parametrize('biased', [False, True])
def test_attention_is_the_softmax_formula(biased):
    attention = Attention(12, num_heads=3)
    tokens, bias = draw(2, 7, 12), draw(3, 7, 7, seed=1)
    weight, offset = attention.qkv.weight, attention.qkv.bias
    joined = torch.zeros(2, 7, 12)
    for head in range(3):
        query, key, value = (
            tokens @ weight[start : start + 4].T + offset[start : start + 4]
            for start in (4 * head, 12 + 4 * head, 24 + 4 * head)
        )
        scores = query @ key.transpose(1, 2) / math.sqrt(4)
        if biased:
            scores = scores + bias[head]
        fractions = scores.exp() / scores.exp().sum(-1, keepdim=True)
        joined[..., 4 * head : 4 * head + 4] = fractions @ value
    expected = joined @ attention.proj.weight.T + attention.proj.bias
    torch.testing.assert_close(attention(tokens, bias if biased else None), expected)


def test_attention_takes_a_float32_bias_under_autocast():
    attention = Attention(8, num_heads=2)
    tokens, bias = draw(1, 5, 8), draw(2, 5, 5)
    with torch.autocast('cpu', torch.bfloat16):
        rounded = attention(tokens, bias)
    torch.testing.assert_close(rounded.float(), attention(tokens, bias), rtol=0, atol=0.05)


def test_mlp_has_the_exact_gelu():
    mlp = Mlp(3, 5)
    hidden = mlp.fc1(draw(4, 3))
    gelu = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    expected = gelu @ mlp.fc2.weight.T + mlp.fc2.bias
    torch.testing.assert_close(mlp(draw(4, 3)), expected)


def test_block_is_pre_norm_with_scaled_branches():
    block = Block(8, num_heads=2, mlp_ratio=3, layer_scale=True)
    with torch.no_grad():
        block.gamma1 += draw(8)
        block.gamma2 += draw(8, seed=1)
    tokens = draw(2, 5, 8, seed=2)

    def norm(values):
        variance = values.var(-1, correction=0, keepdim=True)
        return (values - values.mean(-1, keepdim=True)) / (variance + 1e-6).sqrt()

    middle = tokens + block.gamma1 * block.attn(norm(tokens))
    expected = middle + block.gamma2 * block.mlp(norm(middle))
    torch.testing.assert_close(block(tokens), expected)
    assert block.mlp.fc1.out_features == 24
    assert not [name for name in Block(8, 2).state_dict() if 'gamma' in name]


def test_block_hands_arguments_to_its_attention():
    attention = Constant()
    block = Block(4, num_heads=2, attention=attention)
    block(draw(1, 6, 4), (2, 3), 'b')
    assert attention.given == ((2, 3), 'b')


def test_both_branches_are_dropped_independently():
    torch.manual_seed(0)
    block = Block(2, num_heads=1, drop_path=0.25, attention=Constant())
    nn.init.zeros_(block.mlp.fc2.weight)
    nn.init.constant_(block.mlp.fc2.bias, 10)
    added = block.train()(torch.zeros(4000, 1, 2))[:, 0, 0] * 0.75
    fractions = {value: (added.round() == value).float().mean().item() for value in (0, 1, 10, 11)}
    assert fractions == pytest.approx({0: 1 / 16, 1: 3 / 16, 10: 3 / 16, 11: 9 / 16}, abs=0.03)
    assert (block.eval()(torch.zeros(8, 1, 2)) == 11).all()


def test_channel_norm_normalises_pixels():
    norm = ChannelNorm(6)
    with torch.no_grad():
        norm.ln.weight += draw(6)
        norm.ln.bias += draw(6, seed=1)
    maps = draw(2, 6, 3, 4)
    centred = maps - maps.mean(1, keepdim=True)
    scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
    expected = scaled * norm.ln.weight[:, None, None] + norm.ln.bias[:, None, None]
    torch.testing.assert_close(norm(maps), expected)


def double(maps, conv):
    """Transposed convolution whose 2x2 stamps don't overlap."""
    batch, _, height, width = maps.shape
    stamps = torch.einsum('bihw,iokl->bohkwl', maps, conv.weight)
    return stamps.reshape(batch, -1, 2 * height, 2 * width) + conv.bias[:, None, None]


def test_pyramid_brings_each_map_to_its_stride():
    pyramid = Pyramid(4)
    maps = [draw(2, 4, 4, 6, seed=seed) for seed in range(4)]
    levels = pyramid.pyramid(maps)
    middle = F.gelu(pyramid.fpn1[1](double(maps[0], pyramid.fpn1[0])))
    torch.testing.assert_close(levels[0], double(middle, pyramid.fpn1[3]))
    torch.testing.assert_close(levels[1], double(maps[1], pyramid.fpn2[0]))
    assert levels[2] is maps[2]
    corners = [maps[3][..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
    assert torch.equal(levels[3], torch.stack(corners).amax(0))
    conv_names = [
        f'{name}.{part}'
        for name in ('fpn1.0', 'fpn1.1.ln', 'fpn1.3', 'fpn2.0')
        for part in ('weight', 'bias')
    ]
    assert list(pyramid.state_dict()) == conv_names


@pytest.mark.parametrize('grid', [(7, 7), (2, 9), (4, 5)])
def test_positions_are_resized_as_in_timm(grid):
    positions = draw(1, 16, 6)
    expected = resample_abs_pos_embed(
        positions, list(grid), old_size=[4, 4], num_prefix_tokens=0, antialias=False
    )
    torch.testing.assert_close(resize_pos_embed(positions, grid), expected)


def test_positions_of_another_shape():
    positions = draw(1, 24, 3)
    resized = resize_pos_embed(positions, (6, 4), source=(3, 8))
    maps = F.interpolate(positions.mT.reshape(1, 3, 3, 8), (6, 4), mode='bicubic')
    torch.testing.assert_close(resized, maps.flatten(2).mT)
    assert resize_pos_embed(positions, (3, 8), source=(3, 8)) is positions
    for source in (None, (4, 5)):
        with pytest.raises(ValueError, match='24 positions are no grid of 4x'):
            resize_pos_embed(positions, (2, 2), source)


def test_initial_weights():
    torch.manual_seed(0)
    blocks = nn.ModuleList(Block(64, 4) for _ in range(3))
    with torch.no_grad():
        for weight in blocks.parameters():
            weight.fill_(7)
    init_vit_weights(blocks)
    before = [{name: w.clone() for name, w in block.state_dict().items()} for block in blocks]
    for name, weight in blocks.named_parameters():
        if name.endswith('bias'):
            assert (weight == 0).all()
        elif 'norm' in name:
            assert (weight == 1).all()
        else:
            assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    rescale_residuals(blocks)
    for depth, (block, old) in enumerate(zip(blocks, before, strict=True), 1):
        for name, weight in block.state_dict().items():
            divisor = math.sqrt(2 * depth) if name in ('attn.proj.weight', 'mlp.fc2.weight') else 1
            torch.testing.assert_close(weight, old[name] / divisor)
