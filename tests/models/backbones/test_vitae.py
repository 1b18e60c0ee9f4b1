"""ViTAEv2 against a re-derivation of the whole network from its published description."""

import copy
from collections import Counter
from pathlib import Path

import mmseg.models  # noqa: F401  (registers)
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
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from released_keys import released_keys

import samrs_mm.models.backbones
import samrs_mm.models.segmentors  # noqa: F401  (registers)
from samrs_mm.core.errors import RefusedError

CONFIG = Path(__file__).resolve().parents[3] / 'configs/sep/upernet_vitae.py'
RATIOS = (4, 2, 2, 2)
# sizes of ViTAEv2-S, written down again so that the class is held to them
RELEASED = dict(
    embed_channels=(64, 64, 128, 256),
    token_channels=(64, 128, 256, 512),
    kernel_sizes=(7, 3, 3, 3),
    dilations=((1, 2, 3, 4), (1, 2, 3), (1, 2), (1, 2)),
    window_sizes=(7, 7, None, None),
    depths=(2, 2, 8, 2),
    reduction_heads=(1, 1, 2, 4),
    reduction_groups=(1, 16, 32, 64),
    heads=(1, 2, 4, 8),
    groups=(1, 32, 64, 128),
)
TINY = RELEASED | dict(
    embed_channels=(8, 8, 8, 16),
    token_channels=(8, 16, 16, 32),
    depths=(1, 2, 3, 1),
    reduction_groups=(1, 4, 4, 8),
    groups=(1, 4, 8, 8),
)


def build(**options):
    return MODELS.build(dict(type='ViTAEv2', **options))


def tiny(**options):
    torch.manual_seed(0)
    return build(arch=TINY, **dict(drop_path_rate=0.0) | options)


def unlike_new(backbone, std=0.05):
    """Perturb all weights, and the statistics of batch norms."""
    generator = torch.Generator().manual_seed(1)
    for name, buffer in perturb(backbone, std=std).named_buffers():
        if 'running' in name:
            noise = torch.randn(buffer.shape, generator=generator)
            buffer += 0.3 * noise if 'mean' in name else 0.5 * noise.abs()
    return backbone.eval()


class Reference:
    """The network in plain functions: tokens, explicit windows, softmax written out."""

    def __init__(self, weights, sizes):
        self.weights, self.sizes = weights, sizes

    def __call__(self, images):
        levels, maps = [], images
        for stage, ratio in enumerate(RATIOS):
            grid = maps.shape[2] // ratio, maps.shape[3] // ratio
            tokens = self.reduce(maps, stage, ratio, grid)
            for number in range(self.sizes['depths'][stage]):
                tokens = self.refine(tokens, f'layers.{stage}.NC.{number}', stage, grid)
            maps = tokens.mT.reshape(len(tokens), -1, *grid)
            levels.append(maps)
        return levels

    def reduce(self, maps, stage, ratio, grid):
        name = f'layers.{stage}.RC'
        branches = []
        for number, dilation in enumerate(self.sizes['dilations'][stage]):
            reach = (self.sizes['kernel_sizes'][stage] - 1) * dilation + 1
            padding = (reach - ratio + 1) // 2
            conv = dict(stride=ratio, padding=padding, dilation=dilation)
            branches.append(self.gelu(self.conv(maps, f'{name}.PRM.convs.{number}.0', **conv)))
        tokens = self.norm(self.tokens(torch.cat(branches, 1)), f'{name}.attn.norm1', 1e-5)
        heads = self.sizes['reduction_heads'][stage]
        tokens, values = self.attention(tokens, f'{name}.attn.attn', heads, stage, grid)
        if stage > 1:
            tokens = tokens + values
        strides = (2, 2, 1) if ratio == 4 else (2, 1, 1)
        groups = self.sizes['reduction_groups'][stage]
        tokens = tokens + self.tokens(self.parallel(maps, f'{name}.PCM', strides, groups))
        return tokens + self.mlp(self.norm(tokens, f'{name}.attn.norm2', 1e-5), f'{name}.attn.mlp')

    def refine(self, tokens, name, stage, grid):
        maps = tokens.mT.reshape(len(tokens), -1, *grid)
        groups = self.sizes['groups'][stage]
        parallel = self.tokens(self.parallel(maps, f'{name}.PCM', (1, 1, 1), groups))
        normed, heads = self.norm(tokens, f'{name}.norm1', 1e-6), self.sizes['heads'][stage]
        tokens = tokens + self.attention(normed, f'{name}.attn', heads, stage, grid)[0] + parallel
        return tokens + self.mlp(self.norm(tokens, f'{name}.norm2', 1e-6), f'{name}.mlp')

    def attention(self, tokens, name, heads, stage, grid):
        """Return the mixed tokens and, where attention is to the whole map, the values."""
        size = self.sizes['window_sizes'][stage]
        if size is None:
            return self.mix(tokens, name, heads)
        rows, columns = (-(-side // size) * size for side in grid)
        batch, _, channels = tokens.shape
        padded = tokens.new_zeros(batch, rows, columns, channels)
        padded[:, : grid[0], : grid[1]] = tokens.reshape(batch, *grid, channels)
        mixed = None
        for top in range(0, rows, size):
            for left in range(0, columns, size):
                window = padded[:, top : top + size, left : left + size]
                result = self.mix(window.reshape(batch, -1, channels), name, heads)[0]
                if mixed is None:
                    mixed = tokens.new_zeros(batch, rows, columns, result.shape[-1])
                mixed[:, top : top + size, left : left + size] = result.reshape(
                    batch, size, size, -1
                )
        return mixed[:, : grid[0], : grid[1]].reshape(batch, grid[0] * grid[1], -1), None

    def mix(self, tokens, name, heads):
        queries, keys, values = self.linear(tokens, f'{name}.qkv').chunk(3, -1)
        width, parts = queries.shape[-1] // heads, []
        for start in range(0, heads * width, width):
            own = slice(start, start + width)
            scores = (queries[..., own] @ keys[..., own].mT * width**-0.5).exp()
            parts.append(scores / scores.sum(-1, keepdim=True) @ values[..., own])
        return self.linear(torch.cat(parts, -1), f'{name}.proj'), values

    def parallel(self, maps, name, strides, groups):
        for number, stride in zip((0, 3, 6), strides, strict=True):
            conv = dict(stride=stride, padding=1, groups=groups)
            maps = self.conv(maps, f'{name}.{number}', **conv)
            if number < 6:
                mean, variance, weight, bias = (
                    self.weights[f'{name}.{number + 1}.{part}'][:, None, None]
                    for part in ('running_mean', 'running_var', 'weight', 'bias')
                )
                maps = (maps - mean) / (variance + 1e-5).sqrt() * weight + bias
                maps = maps / (1 + (-maps).exp())
        return maps

    def mlp(self, tokens, name):
        return self.linear(self.gelu(self.linear(tokens, f'{name}.fc1')), f'{name}.fc2')

    def conv(self, maps, name, **options):
        return F.conv2d(
            maps, self.weights[f'{name}.weight'], self.weights[f'{name}.bias'], **options
        )

    def linear(self, tokens, name):
        return tokens @ self.weights[f'{name}.weight'].T + self.weights.get(f'{name}.bias', 0.0)

    def norm(self, tokens, name, eps):
        centred = tokens - tokens.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt()
        return scaled * self.weights[f'{name}.weight'] + self.weights[f'{name}.bias']

    @staticmethod
    def gelu(values):
        return values * 0.5 * (1 + torch.erf(values / 2**0.5))

    @staticmethod
    def tokens(maps):
        return maps.flatten(2).mT


# multiples of 32; 56 is 2 x 28, so 224 needs no window padding, all others do
@pytest.mark.parametrize(('height', 'width'), [(64, 64), (96, 160), (224, 32), (128, 96)])
def test_equals_the_re_derivation_in_double_precision(height, width):
    """So closely that 1e-5 and 1e-6 in the wrong norm would show."""
    backbone = unlike_new(tiny()).double()
    images = image(height, width, 2).double()
    with torch.inference_mode():
        expected = Reference(backbone.state_dict(), TINY)(images)
        for level, other in zip(backbone(images), expected, strict=True):
            torch.testing.assert_close(level, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ('height', 'width'),
    [(64, 96), *(pytest.param(n, n, marks=pytest.mark.slow) for n in (224, 512))],
)
def test_vitaev2_s_equals_the_re_derivation(height, width):
    torch.manual_seed(0)
    backbone = unlike_new(build(), std=0.02)  # levels of about 1
    images = image(height, width)
    with torch.inference_mode():
        expected = Reference(backbone.state_dict(), RELEASED)(images)
        for level, other in zip(backbone(images), expected, strict=True):
            torch.testing.assert_close(level, other, rtol=0, atol=2e-5)


def test_other_sizes_are_padded_with_zeros_and_cropped():
    backbone = unlike_new(tiny()).double()
    images = image(70, 97).double()
    padded = F.pad(images, (0, 31, 0, 26))
    with torch.inference_mode():
        expected = Reference(backbone.state_dict(), TINY)(padded)
        for stride, level, other in zip((4, 8, 16, 32), backbone(images), expected, strict=True):
            rows, columns = -(-70 // stride), -(-97 // stride)
            torch.testing.assert_close(level, other[..., :rows, :columns], rtol=1e-9, atol=1e-9)


def test_names_shapes_and_count_of_the_released_weights_but_for_14_that_nothing_reads():
    with torch.device('meta'):
        backbone = build()
    released = {
        name.removeprefix('encoder.'): shape
        for name, (shape, _) in released_keys('vitaev2_s_upernet').items()
        if name.startswith('encoder.') and 'relative_position_index' not in name
    }
    found = {name: tuple(weight.shape) for name, weight in backbone.state_dict().items()}
    unread = {name: shape for name, shape in released.items() if name not in found}
    assert found == {name: shape for name, shape in released.items() if name in found}
    bases = Counter(name.split('.')[-1] if 'table' in name else name[:4] for name in unread)
    assert bases == dict(relative_position_bias_table=6, norm=8)
    lacking = sum(torch.Size(shape).numel() for shape in unread.values())
    assert lacking == 3_272
    assert parameters_of(backbone) == 18_845_960 - lacking


@pytest.mark.parametrize(('height', 'width'), [(128, 128), (224, 160), (97, 130), (1, 33)])
def test_levels(height, width):
    check_levels(tiny(), height, width)


def test_levels_of_vitaev2_s():
    backbone = build()
    assert backbone.out_channels == (64, 128, 256, 512)
    check_levels(backbone, 128, 128)


@pytest.mark.slow
@pytest.mark.parametrize(('height', 'width'), [(224, 224), (512, 512), (896, 896), (97, 130)])
def test_large_levels_of_vitaev2_s(height, width):
    check_levels(build(), height, width)


def test_gradients_reach_every_parameter():
    check_gradients(tiny())


def test_checkpointing():
    plain, checkpointed = tiny(), tiny(with_cp=True)
    check_checkpointing(plain, checkpointed)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(dict(checkpointed.named_buffers())[name], buffer, msg=name)


def test_bf16():
    """bfloat16 keeps 8 bits: 0.4 % a rounding, some of them a cell, over eleven cells."""
    check_bf16(unlike_new(tiny()), tolerance=0.03)


@pytest.mark.parametrize(
    ('stages', 'frozen', 'free'),
    [
        (-1, [], ['layers.']),
        (0, ['layers.0.RC'], ['layers.0.NC', 'layers.1']),
        (2, ['layers.0', 'layers.1'], ['layers.2', 'layers.3']),
        (4, ['layers'], ['nothing']),
    ],
)
def test_frozen_stages(stages, frozen, free):
    backbone = tiny(frozen_stages=stages)
    assert backbone.train() is backbone
    before = copy.deepcopy(dict(backbone.named_buffers()))
    if stages < 4:
        check_frozen(backbone, frozen, free)
    else:
        assert not any(weight.requires_grad for weight in backbone.parameters())
        backbone(image(64, 64, 2))
    for name, buffer in backbone.named_buffers():
        assert torch.equal(buffer, before[name]) == name.startswith(tuple(frozen)), name


def drop_rates(backbone):
    return [
        [round(cell.drop_path.drop_prob, 5) for cell in stage['NC']] for stage in backbone.layers
    ]


def test_drop_path_rises_as_released():
    step = 0.3 / 13
    taken = [range(0, 2), range(2, 4), range(2, 10), range(8, 10)]
    assert drop_rates(build()) == [[round(step * n, 5) for n in part] for part in taken]
    assert max(map(max, drop_rates(build()))) == 0.20769
    taken = [range(0, 2), range(2, 4), range(4, 12), range(12, 14)]
    rising = drop_rates(build(cumulative_drop_path=True))
    assert rising == [[round(step * n, 5) for n in part] for part in taken]
    assert not any(map(any, drop_rates(build(drop_path_rate=0.0))))


def test_pretrained_weights_are_loaded(tmp_path):
    trained = unlike_new(tiny())
    torch.save(dict(state_dict=trained.state_dict()), tmp_path / 'vitae.pth')
    other = tiny(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'vitae.pth')))
    other.init_weights()
    assert all(map(torch.equal, other.state_dict().values(), trained.state_dict().values()))


def test_only_norm_layers_of_the_backbone_are_spared_from_decay():
    register_all_modules(init_default_scope=True)
    config = Config.fromfile(CONFIG)
    config.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(config.model)
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
    names = {id(weight): name for name, weight in model.named_parameters()}
    decay = {
        names[id(weight)]: (group['weight_decay'], weight.numel())
        for group in wrapper.optimizer.param_groups
        for weight in group['params']
    }
    assert decay.keys() == set(names.values())
    spared = {name for name, (rate, _) in decay.items() if rate == 0}
    norms = {
        f'backbone.{name}.{part}'
        for name, module in model.backbone.named_modules()
        if isinstance(module, torch.nn.LayerNorm)
        for part in ('weight', 'bias')
    }
    assert spared == norms
    # the authors': 86 and 21,448 with the 14 weights that nothing reads
    assert len(spared) == 86 - 14
    assert sum(decay[name][1] for name in spared) == 21_448 - 3_272
    assert {rate for rate, _ in decay.values()} == {0.0, 0.01}
    for name in (
        'backbone.layers.0.RC.PCM.1.weight',
        'backbone.layers.2.NC.7.PCM.4.bias',
        'backbone.layers.1.NC.0.attn.qkv.bias',
        'decode_head.bottleneck.bn.weight',
        'heads.fast.bias',
    ):
        assert decay[name][0] == 0.01


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(arch='b'), r"ViTAEv2: arch='b'; choose from s, or give a mapping"),
        (dict(arch=dict(depths=(1, 1, 1, 1))), 'arch has the keys depths; give embed_channels, '),
        (dict(arch=TINY | dict(depths=(1, 1))), r'arch\.depths=\(1, 1\); it must have 4 values'),
        (dict(frozen_stages=5), 'frozen_stages=5; it must be from -1 to 4'),
    ],
)
def test_refused(options, message):
    with pytest.raises(RefusedError, match=message):
        build(**options)


def test_out_indices():
    check_out_indices(tiny)
