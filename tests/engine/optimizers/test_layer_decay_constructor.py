from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.optimizers.layer_decay_constructor import (
    LayerDecayOptimWrapperConstructor,
    layer_of,
)
from samrs_mm.models.backbones.vit import ViT

LEAF = Path(__file__).resolve().parents[3] / 'configs/sep/upernet_vit.py'
TINY = dict(embed_dims=8, depth=3, num_heads=2, mlp_ratio=2)


class Model(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Conv2d(8, 2, 1)


class Level(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(depth))
        self.norm = nn.LayerNorm(8)


def groups_of(model, optim_wrapper):
    """Return each weight's learning rate and weight decay by name."""
    names = {weight: name for name, weight in model.named_parameters()}
    optimizer = build_optim_wrapper(model, optim_wrapper).optimizer
    groups = [
        (names[weight], (group['lr'], group['weight_decay']))
        for group in optimizer.param_groups
        for weight in group['params']
    ]
    assert len(groups) == len(dict(groups))
    return dict(groups)


def wrapper(layer_decay=0.5, **paramwise_cfg):
    return dict(
        constructor='LayerDecayOptimWrapperConstructor',
        optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.2),
        paramwise_cfg=dict(layer_decay=layer_decay, **paramwise_cfg),
    )


@pytest.fixture(autouse=True)
def scope():
    register_all_modules(init_default_scope=True)


def test_vit_b_in_the_leafs_schedule():
    """Rates fall to 0.9^13 at the patches; who is decayed stays as without layer decay."""
    cfg = Config.fromfile(LEAF)
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
        plain = groups_of(model, cfg.optim_wrapper)
        cfg.merge_from_dict(
            {
                'optim_wrapper.constructor': 'LayerDecayOptimWrapperConstructor',
                'optim_wrapper.paramwise_cfg.layer_decay': 0.9,
            }
        )
        decayed = groups_of(model, cfg.optim_wrapper)
    assert decayed.keys() == plain.keys() == dict(model.named_parameters()).keys()
    for name, (lr, weight_decay) in decayed.items():
        assert weight_decay == plain[name][1]
        part, *rest = name.removeprefix('backbone.').split('.')
        above = (
            12 - int(rest[0]) if part == 'blocks' else 13 * (part in ('patch_embed', 'pos_embed'))
        )
        assert lr == pytest.approx(6e-5 * 0.9**above)
    assert decayed['backbone.patch_embed.proj.weight'][0] / 6e-5 == pytest.approx(0.2542, abs=1e-4)
    assert decayed['backbone.blocks.11.mlp.fc2.weight'] == (pytest.approx(5.4e-5), 0.05)
    assert decayed['backbone.norm.weight'] == (6e-5, 0)
    assert decayed['decode_head.fpn_bottleneck.conv.weight'] == (6e-5, 0.05)


def test_class_token_and_tables_of_beit():
    model = Model(ViT(TINY, img_size=32, variant='beit'))
    rates = {name: lr for name, (lr, _) in groups_of(model, wrapper()).items()}
    assert rates['backbone.cls_token'] == 0.1 / 16
    assert rates['backbone.blocks.0.attn.relative_position_bias_table'] == 0.1 / 8
    assert rates['backbone.blocks.2.gamma2'] == 0.1 / 2


def test_levels_count_on():
    backbone = nn.Module()
    backbone.patch_embed = nn.Linear(8, 8)
    backbone.levels = nn.ModuleList([Level(2), Level(1)])
    rates = {name: lr for name, (lr, _) in groups_of(Model(backbone), wrapper()).items()}
    assert rates['backbone.patch_embed.weight'] == 0.1 / 16
    assert rates['backbone.levels.0.blocks.0.weight'] == 0.1 / 8
    assert rates['backbone.levels.0.blocks.1.weight'] == 0.1 / 4
    assert rates['backbone.levels.0.norm.bias'] == 0.1 / 4
    assert rates['backbone.levels.1.blocks.0.bias'] == 0.1 / 2
    assert rates['head.weight'] == 0.1


@pytest.mark.parametrize(
    ('name', 'layer'),
    [
        ('backbone.patch_embed.norm1.1.weight', 0),
        ('backbone.levels.0.blocks.0.gamma1', 1),
        ('backbone.levels.1.blocks.3.dcn.offset.bias', 8),
        ('backbone.levels.2.blocks.17.mlp.fc1.weight', 26),
        ('backbone.levels.2.downsample.conv.weight', 26),
        ('backbone.levels.3.blocks.3.norm2.0.bias', 30),
        ('decode_head.conv_seg.weight', 31),
        ('pos_embed', 31),
    ],
)
def test_layers_of_internimage(name, layer):
    assert layer_of(name, [4, 4, 18, 4]) == layer


@pytest.mark.parametrize(
    'name', ['spm.stem.0.weight', 'interactions.3.injector.gamma', 'level_embed', 'norm1.weight']
)
def test_what_vit_adapter_adds_is_no_layer(name):
    assert layer_of(f'backbone.{name}', [12]) == 13


def test_multipliers_of_certain_weights_still_count():
    model = Model(ViT(TINY, img_size=32))
    custom_keys = dict(fc1=dict(lr_mult=10.0, decay_mult=0.5), head=dict(lr_mult=2.0))
    groups = groups_of(model, wrapper(custom_keys=custom_keys))
    assert groups['backbone.blocks.1.mlp.fc1.weight'] == (pytest.approx(1 / 4), 0.1)
    assert groups['backbone.blocks.1.mlp.fc2.weight'] == (0.1 / 4, 0.2)
    assert groups['head.bias'] == (0.2, 0.2)


def test_frozen_weights_are_left_out():
    model = Model(ViT(TINY, img_size=32, frozen_stages=1))
    names = groups_of(model, wrapper())
    assert set(names) == {name for name, w in model.named_parameters() if w.requires_grad}
    assert 'backbone.blocks.0.norm1.weight' not in names


def test_scheduler_keeps_the_ratios():
    model = Model(ViT(TINY, img_size=32))
    optimizer = build_optim_wrapper(model, wrapper()).optimizer
    before = [group['lr'] for group in optimizer.param_groups]
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    for _ in range(2):
        optimizer.step()
        scheduler.step()
    after = [group['lr'] for group in optimizer.param_groups]
    assert after == pytest.approx([lr / 2 for lr in before])


@pytest.mark.parametrize('layer_decay', [None, 0, -0.5, 1.1, 'fast'])
def test_wrong_decay_is_refused(layer_decay):
    cfg = wrapper(layer_decay)
    cfg.pop('constructor')
    paramwise = cfg.pop('paramwise_cfg')
    with pytest.raises(RefusedError, match=f'layer_decay={layer_decay}; give a number above 0'):
        LayerDecayOptimWrapperConstructor(cfg, paramwise)


@pytest.mark.parametrize('backbone', [nn.Linear(8, 8), None])
def test_backbone_without_layers_is_refused(backbone):
    with pytest.raises(RefusedError, match='has no `blocks` or `levels`'):
        build_optim_wrapper(Model(backbone), wrapper())
