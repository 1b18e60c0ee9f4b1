import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from backbone_cases import (
    check_bf16,
    check_checkpointing,
    check_frozen,
    check_gradients,
    check_levels,
    check_out_indices,
    image,
    parameters_of,
    perturb,
)
from folders import ROOT
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS
from released_keys import released_keys
from rvsa_reference import rvsa

import samrs_mm.models.backbones  # noqa: F401 (registers it)
from samrs_mm.core.errors import RefusedError
from samrs_mm.models.backbones.vit_rvsa import ViTRVSA
from samrs_mm.models.layers.rvsa import RVSA

SMALL = dict(
    embed_dims=16,
    depth=5,
    num_heads=2,
    mlp_ratio=2,
    global_blocks=(1, 4),
    level_blocks=(0, 1, 3, 4),
)
SIZES = [
    (128, 128),
    (224, 224),
    (512, 512),
    (896, 896),
    (224, 160),
    (97, 130),
    (64, 64),
    (112, 336),
]


def small(**options):
    torch.manual_seed(0)
    return ViTRVSA(SMALL, **options)


@pytest.fixture(scope='module')
def whole():
    """The real size, without its 0.4 GB."""
    with torch.device('meta'):
        return ViTRVSA()


def norm(x, weight, bias):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight + bias


def block_by_formula(state, tokens, grid, divisors):
    """A block over one image's tokens; it is windowed where the state has sampling weights."""
    x = norm(tokens, state['norm1.weight'], state['norm1.bias'])
    attention = {name[5:]: value for name, value in state.items() if name.startswith('attn.')}
    if 'sampling_angles.2.bias' in attention:
        tokens = tokens + rvsa(attention, x, grid, 2, divisors)
    else:
        qkv = x @ attention['qkv.weight'].T + attention['qkv.bias']
        merged = np.empty_like(x)
        for head in range(2):
            query, key, value = (qkv[:, 16 * k + 8 * head :][:, :8] for k in range(3))
            weights = np.exp(query @ key.T / math.sqrt(8))
            merged[:, 8 * head :][:, :8] = weights / weights.sum(1, keepdims=True) @ value
        tokens = tokens + merged @ attention['proj.weight'].T + attention['proj.bias']
    x = norm(tokens, state['norm2.weight'], state['norm2.bias'])
    x = x @ state['mlp.fc1.weight'].T + state['mlp.fc1.bias']
    x = F.gelu(torch.from_numpy(x)).numpy()
    return tokens + x @ state['mlp.fc2.weight'].T + state['mlp.fc2.bias']


def levels_by_formula(state, images, divisors):
    """The four levels of one image ``(3, H, W)`` with sides of multiples of 16."""
    state = {name: weight.double() for name, weight in state.items()}
    maps = F.conv2d(
        images.double()[None], state['patch_embed.proj.weight'], state['patch_embed.proj.bias'],
        stride=16,
    )  # fmt: skip
    grid = tuple(maps.shape[2:])
    tokens, levels = maps[0].flatten(1).T.numpy(), []
    for index in range(5):
        start = f'blocks.{index}.'
        block = {n.removeprefix(start): w.numpy() for n, w in state.items() if n.startswith(start)}
        tokens = block_by_formula(block, tokens, grid, divisors)
        if index in (0, 1, 3, 4):
            levels.append(torch.from_numpy(tokens.T.reshape(1, -1, *grid)))

    def doubled(maps, name):
        return F.conv_transpose2d(maps, state[f'{name}.weight'], state[f'{name}.bias'], stride=2)

    first = doubled(levels[0], 'fpn1.0').numpy()
    first = norm(
        first.transpose(0, 2, 3, 1),
        state['fpn1.1.ln.weight'].numpy(),
        state['fpn1.1.ln.bias'].numpy(),
    )
    first = F.gelu(torch.from_numpy(first)).permute(0, 3, 1, 2)
    even = levels[3][..., : grid[0] // 2 * 2, : grid[1] // 2 * 2]
    deepest = even.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax(dim=(3, 5))
    return doubled(first, 'fpn1.3'), doubled(levels[1], 'fpn2.0'), levels[2], deepest


@pytest.mark.parametrize(
    ('size', 'choice', 'divisors'),
    [
        ((224, 224), 'released', (2, 2)),
        ((160, 352), 'released', (1, 3)),
        ((160, 352), 'corrected', (4, 2)),
        ((64, 96), 'released', (1, 1)),
        ((112, 112), 'released', (1, 1)),
        ((240, 336), 'released', (2, 3)),
    ],
)
def test_equals_the_formula(size, choice, divisors):
    backbone = perturb(small(offset_divisor=choice)).eval()
    images = image(*size)
    with torch.inference_mode():
        levels = backbone(images)
    expected = levels_by_formula(backbone.state_dict(), images[0], divisors)
    for level, other in zip(levels, expected, strict=True):
        torch.testing.assert_close(level.double(), other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('choice', ['released', 'corrected'])
@pytest.mark.parametrize('size', SIZES)
def test_any_size(size, choice):
    check_levels(small(offset_divisor=choice), *size, batch=2, pooled=True)


def test_real_size():
    check_levels(ViTRVSA(), 128, 128)


@pytest.mark.slow
@pytest.mark.parametrize('size', SIZES)
def test_any_size_at_real_size(size):
    check_levels(ViTRVSA(), *size, pooled=True)


def test_other_sizes_are_padded_with_zeros():
    backbone = small().eval()
    images = image(97, 130)
    with torch.inference_mode():
        levels = backbone(images)
        padded = backbone(F.pad(images, (0, 14, 0, 15)))
    for level, other in zip(levels, padded, strict=True):
        torch.testing.assert_close(level, other[..., : level.shape[2], : level.shape[3]])


def test_parameters_are_those_of_the_authors(whole):
    """But for the final norm, which nothing reads."""
    assert parameters_of(whole) == 93_126_976 - 2 * 768


def test_names_are_those_of_the_released_weights(whole):
    released = {
        name.removeprefix('encoder.'): shape
        for name, (shape, _) in released_keys('vit_b_rvsa_upernet').items()
        if name.startswith('encoder.')
    }
    dead = {'norm.weight', 'norm.bias'}
    index = {name for name in released if name.endswith('relative_position_index')}
    assert len(index) == 8
    expected = {name: released[name] for name in released.keys() - dead - index}
    assert {name: tuple(weight.shape) for name, weight in whole.state_dict().items()} == expected


def test_which_blocks_are_global(whole):
    kinds = [isinstance(block.attn, RVSA) for block in whole.blocks]
    assert [index for index, windowed in enumerate(kinds) if not windowed] == [2, 5, 8, 11]
    assert whole.level_blocks == (3, 5, 7, 11)
    assert whole.out_channels == (768,) * 4


def test_drop_path_rises_to_its_rate(whole):
    rates = [block.drop_path.drop_prob for block in whole.blocks]
    np.testing.assert_allclose(rates, np.arange(12) / 110, atol=1e-7)


def test_gradients_reach_every_parameter():
    check_gradients(small(drop_path_rate=0.0), size=128)


@pytest.mark.slow
def test_gradients_reach_every_parameter_at_real_size():
    check_gradients(ViTRVSA(), size=224)


def test_checkpointing_changes_nothing():
    check_checkpointing(small(drop_path_rate=0.0), small(drop_path_rate=0.0, with_cp=True))


def test_bf16():
    """bfloat16 holds 8 bits, 0.4 % of a value: here levels move by 0.5 %, at real size by 0.9 %."""
    check_bf16(perturb(small()), tolerance=0.02)


@pytest.mark.parametrize(
    ('stages', 'frozen', 'free'),
    [
        (-1, (), ('patch_embed', 'blocks', 'fpn')),
        (0, ('patch_embed',), ('blocks', 'fpn')),
        (2, ('patch_embed', 'blocks.0', 'blocks.1'), ('blocks.2', 'blocks.3', 'blocks.4', 'fpn')),
    ],
)
def test_frozen_stages(stages, frozen, free):
    backbone = small(frozen_stages=stages)
    check_frozen(backbone, frozen, free)
    assert backbone.train() is backbone
    assert backbone.blocks[0].training == (stages < 1)
    assert backbone.blocks[2].training


def test_initial_weights():
    backbone = small()
    before = {name: weight.clone() for name, weight in backbone.state_dict().items()}
    backbone.init_weights()
    state = backbone.state_dict()
    for name, weight in state.items():
        kept = 'sampling' in name or 'bias_table' in name or name.startswith(('patch', 'fpn'))
        if kept and '.ln.' not in name:
            assert torch.equal(weight, before[name]), name
        elif name.endswith('bias') or 'rel_pos' in name:
            assert not weight.any(), name
    assert 0.017 < state['blocks.0.attn.qkv.weight'].std() < 0.021
    assert 0.015 < state['blocks.0.attn.relative_position_bias_table'].std() < 0.024
    for index in (0, 4):
        std = state[f'blocks.{index}.mlp.fc2.weight'].std() * math.sqrt(2 * (index + 1))
        assert 0.016 < std < 0.022
    assert state['blocks.0.attn.sampling_offsets.2.weight'].any()


def test_pretrained_weights_are_loaded_last(tmp_path):
    trained = perturb(small())
    torch.save(dict(state_dict=trained.state_dict()), tmp_path / 'trained.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'trained.pth'))
    backbone = MODELS.build(dict(type='ViTRVSA', arch=SMALL, init_cfg=init_cfg))
    backbone.init_weights()
    for name, weight in trained.state_dict().items():
        assert torch.equal(backbone.state_dict()[name], weight), name


def test_what_is_decayed(whole):
    """All but 1-D weights; the tables of relative positions are 2-D."""
    config = Config.fromfile(ROOT / 'configs/_base_/schedules/adamw_vit_80k.py').optim_wrapper
    wrapper = build_optim_wrapper(torch.nn.ModuleDict(dict(backbone=whole)), config)
    decay = {
        id(weight): group['weight_decay']
        for group in wrapper.optimizer.param_groups
        for weight in group['params']
    }
    assert {group['lr'] for group in wrapper.optimizer.param_groups} == {6e-5}
    counts = {0.0: 0, 0.05: 0}
    for name, weight in whole.named_parameters():
        assert decay[id(weight)] == (0.0 if weight.ndim == 1 else 0.05), name
        counts[decay[id(weight)]] += 1
    assert counts == {0.0: 126, 0.05: 100}


def test_an_unknown_arch_is_refused():
    with pytest.raises(RefusedError, match=r"ViTRVSA: arch='l'; choose from b"):
        ViTRVSA('l')


def test_out_indices():
    check_out_indices(partial(small, drop_path_rate=0.0), size=128)
