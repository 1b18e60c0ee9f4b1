import math
from functools import partial
from pathlib import Path

import pytest
import torch
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
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint
from mmseg.models.backbones import BEiT
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from released_keys import released_keys
from timm.models.vision_transformer import VisionTransformer

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.backbones.vit import ViT
from samrs_mm.models.layers.vit import resize_pos_embed

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
SMALL = dict(embed_dims=24, depth=3, num_heads=3, mlp_ratio=2)
VARIANTS = ('plain', 'beit')


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


def small(variant='plain', **options):
    torch.manual_seed(0)
    return ViT(SMALL, variant=variant, **dict(img_size=64, drop_path_rate=0.0) | options)


def last_tokens(backbone, images):
    """The level of stride 16 is the last map itself."""
    with torch.inference_mode():
        return backbone.eval()(images)[2].flatten(2).mT


def beit_state(backbone, norm='norm'):
    """Weights in the names of mmseg's BEiT, which has no bias of keys."""
    state = {}
    renamed = dict(norm1='ln1', norm2='ln2', gamma1='gamma_1', gamma2='gamma_2')
    for name, weight in backbone.state_dict().items():
        parts = [renamed.get(part, part) for part in name.split('.')]
        name = '.'.join(parts).replace('blocks.', 'layers.').replace('proj.', 'projection.', 1)
        name = name.replace('attn.projection', 'attn.proj').replace('mlp.fc1', 'ffn.layers.0.0')
        name = name.replace('mlp.fc2', 'ffn.layers.1')
        if name.endswith('qkv.bias'):
            query, _, value = weight.chunk(3)
            state |= {name.replace('qkv.bias', 'q_bias'): query}
            state |= {name.replace('qkv.bias', 'v_bias'): value}
        elif name.startswith(norm):
            state[name.replace(norm, 'ln1')] = weight
        elif not name.startswith('fpn'):
            state[name] = weight
    return state


def test_names_and_shapes_are_the_released_ones():
    released = {
        name.removeprefix('encoder.'): shape
        for name, (shape, _) in released_keys('vit_b_upernet').items()
        if name.startswith('encoder.')
    }
    with torch.device('meta'):
        own = {name: tuple(weight.shape) for name, weight in ViT().state_dict().items()}
    assert own == released
    assert len(own) == 157


def test_beit_names():
    block = {
        *(f'norm{i}.{part}' for i in (1, 2) for part in ('weight', 'bias')),
        *(f'{layer}.{part}' for layer in ('attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2')
          for part in ('weight', 'bias')),
        'attn.relative_position_bias_table', 'gamma1', 'gamma2',
    }  # fmt: skip
    with torch.device('meta'):
        plain, beit = ViT().state_dict(), ViT(variant='beit').state_dict()
    blocks = {f'blocks.{depth}.{name}' for depth in range(12) for name in block}
    others = {name for name in plain if not name.startswith(('blocks.', 'pos_embed'))}
    assert set(beit) == blocks | others | {'cls_token'}
    assert beit['blocks.0.attn.relative_position_bias_table'].shape == (732, 12)


# No parameter of the authors' ViT is dead. BEiT: no positions, but a class token, 12 tables of
# 27 * 27 + 3 offsets for 12 heads, and 24 layer scales
@pytest.mark.parametrize(
    ('options', 'parameters'),
    [
        (dict(), 92_878_848),
        (dict(img_size=512), 93_514_752),
        (dict(variant='beit'), 92_878_848 - 196 * 768 + 768 + 12 * 732 * 12 + 24 * 768),
    ],
)
def test_parameters(options, parameters):
    with torch.device('meta'):
        assert parameters_of(ViT(**options)) == parameters


def timm_vit(**options):
    return VisionTransformer(class_token=False, num_classes=0, global_pool='avg', **options).eval()


def same_as_timm(backbone, reference, images):
    state = {k: v for k, v in backbone.state_dict().items() if not k.startswith('fpn')}
    missing, unexpected = reference.load_state_dict(state, strict=False)
    assert not missing
    assert not unexpected
    with torch.inference_mode():
        expected = reference.forward_features(images)
    torch.testing.assert_close(last_tokens(backbone, images), expected, rtol=1e-5, atol=1e-5)


def test_plain_is_timms_vit():
    reference = timm_vit(
        img_size=64, embed_dim=24, depth=3, num_heads=3, mlp_ratio=2, fc_norm=False
    )
    same_as_timm(perturb(small()), reference, image(64, 64, 2))


def test_real_size_is_timms_vit_b():
    torch.manual_seed(0)
    backbone = ViT()
    same_as_timm(backbone, timm_vit(fc_norm=False), image(224, 224))
    check_levels(backbone, 128, 128)


def test_beit_is_mmsegs():
    backbone = perturb(small('beit'), std=0.2)
    reference = BEiT(
        img_size=64,
        embed_dims=24,
        num_layers=3,
        num_heads=3,
        mlp_ratio=2,
        norm_cfg=dict(type='LN', eps=1e-6),
        final_norm=True,
    )
    state = beit_state(backbone)
    unread = {name for name in reference.state_dict() if name.endswith('relative_position_index')}
    missing, unexpected = reference.load_state_dict(state, strict=False)
    assert set(missing) == unread
    assert not unexpected
    reference.eval()
    images = image(64, 64, 2)
    with torch.inference_mode():
        [expected] = reference(images)
    found = last_tokens(backbone, images)
    torch.testing.assert_close(found, expected.flatten(2).mT, rtol=1e-5, atol=1e-5)


def test_beit_needs_its_class_token():
    backbone = perturb(small('beit'), std=0.2)
    before = last_tokens(backbone, image(64, 64))
    with torch.no_grad():
        backbone.cls_token *= -1
    assert (last_tokens(backbone, image(64, 64)) - before).abs().max() > 0.01


def test_all_levels_come_from_the_last_map(variant):
    backbone = perturb(small(variant)).eval()
    with torch.inference_mode():
        levels = backbone(image(64, 96))
        expected = backbone.pyramid([levels[2]] * 4)
    for level, other in zip(levels, expected, strict=True):
        assert torch.equal(level, other)


@pytest.mark.parametrize(
    'size', [(64, 64), (128, 128), (224, 160), (112, 240), (97, 130), (31, 33), (5, 16)]
)
def test_any_size(variant, size):
    check_levels(small(variant), *size, pooled=True)


@pytest.mark.slow
@pytest.mark.parametrize('size', [(128, 128), (224, 160), (97, 130), (512, 512), (896, 896)])
def test_any_size_at_real_width(variant, size):
    backbone = ViT(variant=variant)
    backbone.init_weights()
    check_levels(backbone, *size, pooled=True)


def test_padding_is_zeros_right_and_below():
    backbone = perturb(small()).eval()
    images = image(50, 70)
    padded = torch.zeros(1, 3, 64, 80)
    padded[..., :50, :70] = images
    with torch.inference_mode():
        for level, whole in zip(backbone(images), backbone(padded), strict=True):
            assert torch.equal(level, whole[..., : level.shape[2], : level.shape[3]])


@pytest.mark.parametrize('side', [112, 240, 336])
def test_a_whole_number_of_patches_is_not_padded(side):
    """The released networks were trained like this: 7, 15 and 21 patches, 3, 7 and 10 by twos."""
    backbone = perturb(small(img_size=side)).eval()
    seen = []
    backbone.patch_embed.register_forward_hook(lambda *call: seen.append(call[1:]))
    with torch.inference_mode():
        *_, third, last = backbone(image(side, side))
    (((given,), (tokens, grid)),) = seen
    assert given.shape[2:] == (side, side)
    assert grid == third.shape[2:] == (side // 16, side // 16)
    assert tokens.shape[1] == (side // 16) ** 2
    assert last.shape[2:] == (side // 32, side // 32)
    for row, column in ((0, 0), (side // 32 - 1, 0)):  # the largest of two by two patches
        four = third[..., 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        norm = last[..., row, column]
        assert torch.equal(norm, four.amax(dim=(2, 3)))


@pytest.mark.parametrize('size', [(128, 128), (96, 160), (112, 240)])
def test_weights_load_into_a_model_for_other_sizes(tmp_path, variant, size):
    """As SEP at 224 does into fine-tuning at 512 or 896; the same as running the former there."""
    trained = perturb(small(variant))
    torch.save(dict(state_dict=trained.state_dict()), tmp_path / 'trained.pth')
    other = small(variant, img_size=size)
    if variant == 'plain':
        assert other.pos_embed.shape == (1, size[0] * size[1] // 256, 24)
    load_checkpoint(other, str(tmp_path / 'trained.pth'), strict=True)
    images = image(*size)
    torch.testing.assert_close(last_tokens(other, images), last_tokens(trained, images))


def test_loading_leaves_the_state_alone():
    state = small().state_dict()
    positions = state['pos_embed'].clone()
    other = small(img_size=96)
    other.load_state_dict(state)
    assert torch.equal(state['pos_embed'], positions)
    assert torch.equal(other.pos_embed, resize_pos_embed(positions, (6, 6)))


def test_own_weights_load_unchanged_whatever_the_grid():
    """2x8 patches are as many as 4x4."""
    trained, other = perturb(small(img_size=(32, 128))), small(img_size=(32, 128))
    other.load_state_dict(trained.state_dict())
    assert torch.equal(other.pos_embed, trained.pos_embed)


def test_a_class_tokens_position_fails_with_both_shapes():
    state = small().state_dict()
    state['pos_embed'] = torch.zeros(1, 17, 24)
    with pytest.raises(RuntimeError, match=r'pos_embed: .*\[1, 17, 24\].*\[1, 16, 24\]'):
        small().load_state_dict(state)


@pytest.mark.parametrize(
    ('side', 'patches'), [(224, 14), (512, 32), (896, 56), (240, 15), (97, 7), (8, 2)]
)
def test_positions_are_for_padded_images(side, patches):
    with torch.device('meta'):
        assert ViT(img_size=side).pos_embed.shape == (1, patches**2, 768)


def test_initialisation(variant):
    torch.manual_seed(0)
    backbone = ViT(dict(embed_dims=96, depth=4, num_heads=3, mlp_ratio=2), variant=variant)
    convolution = backbone.patch_embed.proj.weight.clone()
    perturb(backbone.blocks)
    backbone.init_weights()
    assert torch.equal(backbone.patch_embed.proj.weight, convolution)
    for depth, block in enumerate(backbone.blocks, 1):
        shrunk = 0.02 / math.sqrt(2 * depth)
        for weight, std in (
            (block.attn.qkv.weight, 0.02),
            (block.attn.proj.weight, shrunk),
            (block.mlp.fc1.weight, 0.02),
            (block.mlp.fc2.weight, shrunk),
        ):
            assert weight.std().item() == pytest.approx(std, rel=0.05)
        assert (block.attn.qkv.bias == 0).all()
        assert (block.norm1.weight == 1).all()
        if variant == 'beit':
            assert (block.gamma1 == 0.1).all()
            assert (block.gamma2 == 0.1).all()
            assert (block.attn.relative_position_bias_table == 0).all()
    positions = backbone.cls_token if variant == 'beit' else backbone.pos_embed
    assert positions.std().item() == pytest.approx(0.02, rel=0.25 if variant == 'beit' else 0.05)


def test_pretrained_weights_are_loaded_last(tmp_path, variant):
    trained = perturb(small(variant))
    torch.save(dict(state_dict=trained.state_dict()), tmp_path / 'trained.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'trained.pth'))
    about = dict(type='ViT', arch=SMALL, img_size=64, variant=variant, init_cfg=init_cfg)
    with DefaultScope.overwrite_default_scope('mmseg'):  # other tests leave theirs
        backbone = MODELS.build(about)
        backbone.init_weights()
    for name, weight in trained.state_dict().items():
        assert torch.equal(backbone.state_dict()[name], weight), name


def test_gradients(variant):
    check_gradients(small(variant))


def test_checkpointing(variant):
    check_checkpointing(small(variant), small(variant, with_cp=True))


@pytest.mark.parametrize('with_cp', [False, True])
def test_checkpointed_blocks_run_again_in_the_backward_pass(with_cp):
    backbone, runs = small(with_cp=with_cp), []
    backbone.blocks[1].norm1.register_forward_hook(lambda *_: runs.append(1))
    backbone.train()(image(64, 64))[0].sum().backward()
    assert len(runs) == (2 if with_cp else 1)
    backbone.eval()(image(64, 64))[0].sum().backward()
    assert len(runs) == (3 if with_cp else 2)


def test_bf16(variant):
    """bfloat16 rounds by up to 0.4 %, here in about 20 operations one after the other."""
    check_bf16(perturb(small(variant)), tolerance=0.03)


def test_frozen(variant):
    embeddings = ['patch_embed', 'cls_token' if variant == 'beit' else 'pos_embed']
    free = ['blocks.1', 'blocks.2', 'norm', 'fpn']
    check_frozen(small(variant), [], [*embeddings, 'blocks'])
    check_frozen(small(variant, frozen_stages=0), embeddings, ['blocks.0', *free])
    check_frozen(small(variant, frozen_stages=1), [*embeddings, 'blocks.0'], free)


def test_frozen_blocks_drop_nothing():
    backbone = small(frozen_stages=2, drop_path_rate=0.9)
    assert backbone.train() is backbone
    assert [block.training for block in backbone.blocks] == [False, False, True]
    assert not backbone.eval().training


def test_drop_path_rises_linearly_to_the_last_block():
    with torch.device('meta'):
        blocks = ViT().blocks
    rates = [block.drop_path.drop_prob for block in blocks]
    assert rates == pytest.approx([0.15 * depth / 11 for depth in range(12)])


@pytest.mark.parametrize('options', [dict(arch='huge'), dict(variant='mae')])
def test_unknown_names_are_refused(options):
    [(key, value)] = options.items()
    with pytest.raises(RefusedError, match=f"ViT: {key}='{value}'"):
        ViT(**options)


@pytest.mark.parametrize(('leaf', 'spared'), [('upernet_vit', 105), ('upernet_vit_beit', 105 + 24)])
def test_schedule_spares_vectors_and_positions_from_decay(leaf, spared):
    """Of the backbone: patches 1, positions or class token 1, blocks 8 each, norm 2, pyramid 5."""
    register_all_modules(init_default_scope=True)
    cfg = Config.fromfile(CONFIGS / f'sep/{leaf}.py')
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    decays = {
        weight: group['weight_decay']
        for group in optimizer.param_groups
        for weight in group['params']
    }
    assert {group['lr'] for group in optimizer.param_groups} == {6e-5}
    for name, weight in model.named_parameters():
        is_spared = weight.ndim == 1 or name in ('backbone.pos_embed', 'backbone.cls_token')
        assert decays[weight] == (0 if is_spared else 0.05), name
    assert sum(decays[weight] == 0 for weight in model.backbone.parameters()) == spared


def test_released_beit_sep_weights_fit_after_one_option():
    cfg = Config.fromfile(CONFIGS / 'sep/upernet_vit_beit.py')
    assert cfg.model.backbone.variant == 'beit'
    cfg.merge_from_dict({'model.backbone.variant': 'plain', 'model.backbone.init_cfg': None})
    with torch.device('meta'):
        names = set(MODELS.build(cfg.model.backbone).state_dict())
        assert names == set(ViT().state_dict())


def test_out_indices(variant):
    check_out_indices(partial(small, variant))
