from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from adapter_reference import vit_adapter
from backbone_cases import (
    check_bf16,
    check_checkpointing,
    check_frozen,
    check_gradients,
    check_levels,
    image,
    parameters_of,
    perturb,
)
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from released_keys import released_keys

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.backbones.vit_adapter import ViTAdapter

ROOT = Path(__file__).resolve().parents[3]
SMALL = dict(
    embed_dims=24,
    depth=8,
    num_heads=3,
    mlp_ratio=2,
    conv_dims=4,
    deform_heads=6,
    deform_ratio=0.5,
    ffn_ratio=0.25,
)
SIZES = [(128, 128), (224, 224), (512, 512), (896, 896), (224, 160), (97, 130)]


def small(**kwargs):
    torch.manual_seed(0)
    backbone = ViTAdapter(**dict(arch=SMALL, drop_path_rate=0.0) | kwargs)
    backbone.init_weights()
    return backbone


def randomise_statistics(backbone):
    generator = torch.manual_seed(2)
    for name, buffer in backbone.named_buffers():
        if name.endswith(('running_mean', 'running_var')):
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return backbone


@pytest.mark.parametrize(
    ('size', 'padded', 'img_size'),
    [
        ((64, 64), (64, 64), 64),  # the position embedding as it is
        ((96, 64), (96, 64), 48),
        ((45, 97), (64, 128), 48),
    ],
)
def test_equals_the_formula(size, padded, img_size):
    backbone = randomise_statistics(perturb(small(img_size=img_size), std=0.2)).eval().double()
    images = image(*size, batch=2).double()
    with torch.inference_mode():
        levels = backbone(images)
        room = F.pad(images, (0, padded[1] - size[1], 0, padded[0] - size[0]))
        expected = vit_adapter(backbone.state_dict(), room, heads=3, deform_heads=6, depth=8)
    for level, other in zip(levels, expected, strict=True):
        assert other.std() > 0.1
        other = other[..., : level.shape[-2], : level.shape[-1]]
        # The centres of cells are float32.
        torch.testing.assert_close(level, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('size', SIZES)
def test_any_size(size):
    check_levels(small(), *size, batch=1 if max(size) > 224 else 2)


def test_gradients_reach_every_parameter():
    backbone = small(drop_path_rate=0.1, img_size=64)
    check_gradients(backbone, batch=4)
    class_token, *positions = backbone.pos_embed.grad[0].abs().sum(-1)
    assert class_token == 0
    assert min(positions) > 0


def test_with_cp():
    check_checkpointing(small(), small(with_cp=True))


def test_with_cp_keeps_fewer_activations():
    kept = {}
    for with_cp in (False, True):
        count = kept.setdefault(with_cp, [])
        with torch.autograd.graph.saved_tensors_hooks(
            lambda saved, count=count: count.append(saved.numel()) or saved, lambda saved: saved
        ):
            small(with_cp=with_cp).train()(image(64, 64, 2))
    assert sum(kept[True]) < 0.5 * sum(kept[False])


def test_bf16():
    # bfloat16 rounds by up to 2^-9, the norms end in float32: 0.005 measured, three times allowed.
    check_bf16(perturb(small()), tolerance=0.015)


@pytest.mark.parametrize('stages', [-1, 0, 3])
def test_frozen_stages(stages):
    ours = [] if stages < 0 else ['pos_embed', 'patch_embed']
    frozen = [*ours, *(f'blocks.{i}.' for i in range(stages))]
    backbone = perturb(small(frozen_stages=stages, drop_path_rate=0.5))
    assert backbone.train() is backbone
    check_frozen(backbone, frozen, ['spm', 'interactions', 'norm', f'blocks.{max(stages, 0)}.'])
    assert not any(block.training for block in backbone.blocks[: max(stages, 0)])
    assert all(block.training for block in backbone.blocks[max(stages, 0) :])
    assert backbone.patch_embed.training is (stages < 0)


def test_drop_path_rates():
    backbone = ViTAdapter(SMALL, drop_path_rate=0.28)
    rates = [block.drop_path.drop_prob for block in backbone.blocks]
    assert rates == pytest.approx([0.04 * index for index in range(8)])
    extractors = [m for n, m in backbone.named_modules() if n.endswith(('extractor', '.0', '.1'))]
    rates = [m.drop_path.drop_prob for m in extractors if hasattr(m, 'ffn')]
    assert rates == [0.28] * 6


@pytest.fixture(scope='module')
def whole():
    with torch.device('meta'):
        return ViTAdapter()


def test_names_are_those_of_the_released_weights(whole):
    """All of them: none is dead."""
    released = {
        name.removeprefix('encoder.'): shape
        for name, (shape, _) in released_keys('vitadapter_b_upernet').items()
        if name.startswith('encoder.')
    }
    assert {name: tuple(weight.shape) for name, weight in whole.state_dict().items()} == released


def test_number_of_parameters(whole):
    assert parameters_of(whole) == 99_495_392


def test_real_size():
    torch.manual_seed(0)
    check_levels(ViTAdapter(), 128, 128)


@pytest.mark.slow
@pytest.mark.parametrize('size', SIZES)
def test_any_size_at_real_size(size):
    torch.manual_seed(0)
    check_levels(ViTAdapter(), *size)


@pytest.mark.slow
def test_real_size_equals_the_formula():
    torch.manual_seed(0)
    backbone = ViTAdapter()
    backbone.init_weights()
    randomise_statistics(perturb(backbone, std=0.02)).eval()
    images = image(96, 64)
    with torch.inference_mode():
        levels = backbone(images)
        state = {name: weight.double() for name, weight in backbone.state_dict().items()}
        expected = vit_adapter(state, images.double(), heads=12, deform_heads=12, depth=12)
    for level, other in zip(levels, expected, strict=True):
        torch.testing.assert_close(level.double(), other, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_real_size_in_bf16_and_backwards():
    torch.manual_seed(0)
    backbone = ViTAdapter(drop_path_rate=0.0)
    backbone.init_weights()
    check_bf16(perturb(backbone, std=0.02), tolerance=0.02)  # 0.007 measured
    check_gradients(backbone)


def test_initial_weights():
    torch.manual_seed(0)
    backbone = ViTAdapter(dict(SMALL, embed_dims=96, conv_dims=32))
    backbone.init_weights()
    for interaction in backbone.interactions:
        assert not interaction.injector.gamma.any()
        assert not interaction.injector.attn.sampling_offsets.weight.any()
        assert interaction.extractor.ffn.fc1.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert backbone.spm.conv3[0].weight.std().item() == pytest.approx(
        (2 / (9 * 128)) ** 0.5, rel=0.1
    )
    depthwise = torch.cat([i.extractor.ffn.dwconv.dwconv.weight for i in backbone.interactions])
    assert depthwise.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.1)
    assert backbone.up.weight.std().item() == pytest.approx((2 / (4 * 96)) ** 0.5, rel=0.1)
    assert backbone.level_embed.std().item() == pytest.approx(1, rel=0.2)
    assert backbone.blocks[0].gamma1.eq(1).all()
    assert backbone.blocks[0].mlp.fc1.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert backbone.pos_embed.std().item() == pytest.approx(0.02, rel=0.1)


def test_loads_what_init_cfg_names(tmp_path):
    """DeiT's file has no adapter, but a class token, a final norm and a head."""
    source = perturb(small()).state_dict()
    theirs = {n: w for n, w in source.items() if n.startswith(('pos_', 'patch_', 'blocks'))}
    theirs = {name: weight for name, weight in theirs.items() if 'gamma' not in name}
    extra = {'cls_token': torch.ones(1, 1, 24), 'norm.weight': torch.full((24,), 7.0)}
    torch.save({'state_dict': theirs | extra}, tmp_path / 'deit.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'deit.pth'))
    backbone = small(init_cfg=init_cfg)
    for name, weight in backbone.state_dict().items():
        if name in theirs:
            assert weight.equal(theirs[name]), name
        elif 'gamma' in name:
            assert weight.eq('injector' not in name).all(), name
    assert backbone.norm1.weight.eq(1).all()


def test_norm_cfg():
    assert isinstance(small(norm_cfg=dict(type='SyncBN')).spm.stem[1], torch.nn.SyncBatchNorm)
    frozen = small(norm_cfg=dict(type='BN', requires_grad=False))
    assert not frozen.norm4.weight.requires_grad


@pytest.mark.parametrize(
    ('arch', 'message'),
    [
        ('z', "arch='z'; choose from b, or give a mapping"),
        (dict(SMALL, depth=6), r'arch\.depth=6; give a multiple of 4'),
        (dict(embed_dims=24), 'give embed_dims, depth, .*, ffn_ratio'),
    ],
)
def test_refuses_unknown_sizes(arch, message):
    with pytest.raises(RefusedError, match=message):
        ViTAdapter(arch)


def test_what_is_decayed():
    """1-D weights aren't, position and level embeddings are, and all learn at the same rate."""
    register_all_modules(init_default_scope=True)
    cfg = Config.fromfile(ROOT / 'configs/sep/upernet_vit-adapter.py')
    with torch.device('meta'):
        model = MODELS.build(cfg.model | dict(backbone=cfg.model.backbone | dict(init_cfg=None)))
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    assert {group['lr'] for group in optimizer.param_groups} == {6e-5}
    decay = {
        id(weight): group['weight_decay']
        for group in optimizer.param_groups
        for weight in group['params']
    }
    decayed = {name for name, weight in model.named_parameters() if decay[id(weight)]}
    assert {decay[id(weight)] for weight in model.parameters()} == {0, 0.01}
    assert decayed == {name for name, weight in model.named_parameters() if weight.ndim > 1}
    assert {'backbone.pos_embed', 'backbone.level_embed'} < decayed
    # weight matrices of 12 blocks, 4 injectors, 6 extractors, and the rest
    in_backbone = [name for name in decayed if name.startswith('backbone.')]
    assert len(in_backbone) == 12 * 4 + 4 * 4 + 6 * 7 + 10 + len(
        ['pos_embed', 'level_embed', 'patch_embed', 'up']
    )
