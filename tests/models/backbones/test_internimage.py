import pytest
import torch
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
from folders import ROOT
from internimage_reference import internimage
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from released_keys import released_keys
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.backbones.internimage import InternImage

SMALL = dict(channels=16, depths=(2, 1, 1, 1), groups=(2, 4, 8, 16), mlp_ratio=4)


def small(**options):
    return InternImage(**dict(arch=SMALL, drop_path_rate=0.0) | options)


@pytest.fixture(scope='module')
def tiny():
    """InternImage-T at its real size, which nobody changes."""
    return perturb(InternImage(), std=0.02).eval()


@pytest.mark.parametrize(('height', 'width'), [(64, 64), (64, 32), (41, 50)])
def test_equals_the_formula(height, width):
    backbone, images = perturb(small(), std=0.1).eval(), image(height, width)
    with torch.inference_mode():
        levels = backbone(images)
    expected = internimage(backbone.state_dict(), images, SMALL['depths'], SMALL['groups'])
    for level, reference in zip(levels, expected, strict=True):
        torch.testing.assert_close(level, reference, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(('height', 'width'), [(64, 96), (97, 130), (33, 1)])
def test_any_size(height, width):
    check_levels(small(), height, width, batch=2)


def test_real_network(tiny):
    check_levels(tiny, 128, 128)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('height', 'width'), [(224, 160), (97, 130), (224, 224), (512, 512), (896, 896)]
)
def test_real_network_at_real_sizes(tiny, height, width):
    check_levels(tiny, height, width)


def test_weights_are_named_and_shaped_as_released():
    with torch.device('meta'):
        backbone = InternImage()
    released = {
        name.removeprefix('encoder.'): shape
        for name, (shape, _) in released_keys('internimage_t_upernet').items()
        if name.startswith('encoder.')
    }
    assert {name: tuple(w.shape) for name, w in backbone.state_dict().items()} == released
    assert parameters_of(backbone) == 28_769_520
    assert backbone.out_channels == (64, 128, 256, 512)


def test_gradients_reach_every_weight():
    check_gradients(small())


def test_checkpointing_changes_nothing():
    check_checkpointing(small(), small(with_cp=True))


def test_bf16():
    """Every product rounds by up to 2^-8 = 0.004; errors of 5 blocks add up to 0.008."""
    check_bf16(perturb(small()), tolerance=0.02)


@pytest.mark.slow
def test_bf16_at_real_size(tiny):
    """The norms keep 30 blocks from adding up to more than 0.01."""
    check_bf16(tiny, tolerance=0.02, size=128)


@pytest.mark.parametrize(
    ('stages', 'frozen', 'free'),
    [
        (-1, [], ['patch_embed', 'levels']),
        (0, ['patch_embed'], ['levels']),
        (2, ['patch_embed', 'levels.0', 'levels.1'], ['levels.2', 'levels.3']),
    ],
)
def test_frozen_stages(stages, frozen, free):
    backbone = small(frozen_stages=stages, drop_path_rate=0.2)
    check_frozen(backbone, frozen, free)
    assert backbone.train() is backbone
    modes = {name: module.training for name, module in backbone.named_modules() if name}
    modes.pop('levels')
    assert {name for name, training in modes.items() if not training} == {
        name for name in modes if f'{name}.'.startswith(tuple(f'{part}.' for part in frozen))
    }


def test_drop_path_grows_to_its_rate():
    with torch.device('meta'):
        backbone = InternImage()
    rates = [block.drop_path.drop_prob for level in backbone.levels for block in level['blocks']]
    assert rates == pytest.approx([0.2 * number / 29 for number in range(30)])


def test_initial_weights():
    backbone = perturb(small(arch=SMALL | dict(channels=64)))
    backbone.init_weights()
    weights = backbone.state_dict()
    for name, weight in weights.items():
        if '.offset.' in name or '.mask.' in name or name.endswith(('fc1.bias', 'proj.bias')):
            assert not weight.any(), name
        elif name.endswith(('fc1.weight', 'fc2.weight')):
            assert weight.std() == pytest.approx(0.02, rel=0.1)
            assert weight.abs().max() <= 2
        elif '_proj.weight' in name:
            bound = (6 / (2 * len(weight))) ** 0.5
            assert 0.9 * bound < weight.abs().max() <= bound, name
    for module in backbone.modules():
        if isinstance(module, nn.LayerNorm):
            assert (module.weight == 1).all()
            assert not module.bias.any()


def test_pretrained_weights_come_last(tmp_path):
    trained = perturb(small()).state_dict()
    torch.save(dict(state_dict=trained), tmp_path / 'weights.pth')
    checkpoint = str(tmp_path / 'weights.pth')
    backbone = small(init_cfg=dict(type='Pretrained', checkpoint=checkpoint))
    backbone.init_weights()
    torch.testing.assert_close(backbone.state_dict(), trained, rtol=0, atol=0)


@pytest.mark.parametrize(
    ('arch', 'message'),
    [
        ('tiny', "arch='tiny'; choose from t, or give a mapping"),
        (dict(channels=8), 'arch has the keys channels; give channels, depths, groups, mlp_ratio'),
        (SMALL | dict(groups=(3, 4, 8, 16)), 'groups=3 of channels=16'),
    ],
)
def test_refused(arch, message):
    with pytest.raises(RefusedError, match=message):
        InternImage(arch)


def test_only_what_has_one_dimension_is_spared_of_decay():
    register_all_modules(init_default_scope=True)
    cfg = Config.fromfile(ROOT / 'configs/sep/upernet_internimage.py')
    with torch.device('meta'):
        model = MODELS.build(cfg.model | dict(backbone=cfg.model.backbone | dict(init_cfg=None)))
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    decay = {id(weight): group['weight_decay'] for group in groups for weight in group['params']}
    assert all(group['lr'] == 6e-5 for group in groups)
    spared = ('relative_position', 'norm', 'sampling_offsets')
    for name, weight in model.named_parameters():
        free = weight.ndim == 1 or name.endswith('.bias') or any(key in name for key in spared)
        assert decay.pop(id(weight)) == (0.0 if free else 0.05), name
    assert not decay
