"""What every known checkpoint becomes, by names and shapes alone."""

from collections import Counter

import pytest
import torch
from checkpoint_cases import beit, below, deit, fine_tuned, imagenet, mae, numbered, released, sized
from folders import ROOT
from mmengine.config import Config
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from released_keys import MODELS as RELEASED

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.conversion.conversion import DROPPED, MISSING, RESIZED
from samrs_mm.models.conversion.networks import backbone_channels, backbone_config
from samrs_mm.models.conversion.routes import convert_state

LEAVES = dict(
    internimage_t_upernet='upernet_internimage',
    resnet50_m2f='mask2former_resnet50',
    resnet50_unet='unet_resnet50',
    resnet50_upernet='upernet_resnet50',
    swint_upernet='upernet_swin',
    vit_b_rvsa_upernet='upernet_vit-rvsa_mae',
    vit_b_upernet='upernet_vit',
    vitadapter_b_upernet='upernet_vit-adapter',
    vitaev2_s_upernet='upernet_vitae',
)
# What nothing uses in the authors' models
DEAD = dict(
    vit_b_rvsa_upernet=8 + 2,  # index buffers; the final norm
    vitaev2_s_upernet=6 + 8 + 6,  # tables, norms, index buffers
)


def names(conversion, status):
    return {row.source or row.target for row in conversion.rows if row.status == status}


def counts(conversion):
    return Counter(row.status for row in conversion.rows)


def build_leaf(leaf, **changes):
    model = Config.fromfile(ROOT / f'configs/sep/{leaf}.py').model
    return build(dict(model, **changes))


def build(config):
    """Build without memory, except mmseg's Swin, which reads values while it is built."""
    register_all_modules(init_default_scope=True)
    with torch.device('cpu' if 'Swin' in str(config) else 'meta'):
        return MODELS.build(config)


def shapes(state):
    return {name: tuple(value.shape) for name, value in state.items()}


def test_there_is_a_config_for_every_released_model():
    assert sorted(LEAVES) == RELEASED


@pytest.mark.parametrize('model', RELEASED)
def test_released_models_convert_load_and_go_back(model):
    state = numbered(released(model))
    route, conversion = convert_state(state)
    assert conversion.failures == []
    assert names(conversion, MISSING) == set()
    assert len(names(conversion, DROPPED)) == DEAD.get(model, 0)
    ours = build_leaf(LEAVES[model])
    ours.load_state_dict(conversion.state, strict=True, assign=True)
    assert f'{route.decoder}_{route.network}' == LEAVES[model].removesuffix('_mae')

    _, back = convert_state(ours.state_dict(), target='authors')
    assert back.failures == []
    assert names(back, MISSING) == names(conversion, DROPPED)
    alive = {name: value for name, value in state.items() if name not in names(back, MISSING)}
    assert shapes(back.state) == shapes(alive)
    for name, value in back.state.items():
        assert value.dtype == alive[name].dtype
        assert value.flatten()[0] == alive[name].flatten()[0], name
    assert shapes(convert_state(back.state)[1].state) == shapes(conversion.state)


@pytest.mark.parametrize('model', RELEASED)
def test_fine_tuned_models_convert_and_go_back(model):
    state = fine_tuned(released(model), classes=5)
    _, conversion = convert_state(state)
    assert conversion.failures == []
    classifier = 'cls_embed' if model.endswith('m2f') else 'conv_seg'
    head = {name for name in conversion.state if name.startswith(f'decode_head.{classifier}.')}
    assert head == {f'decode_head.{classifier}.{part}' for part in ('weight', 'bias')}
    assert not [name for name in conversion.state if name.startswith('heads.')]
    _, back = convert_state(conversion.state, target='authors')
    dead = names(conversion, DROPPED)
    assert shapes(back.state) == {n: s for n, s in shapes(state).items() if n not in dead}


def test_a_fine_tuned_model_loads_into_mmsegs_own():
    state = fine_tuned(released('resnet50_upernet'), classes=5)
    model = Config.fromfile(ROOT / 'configs/sep/upernet_resnet50.py').model
    plain = dict(
        type='EncoderDecoder',
        backbone=model.backbone,
        decode_head=model.decode_head | dict(num_classes=5),
    )
    build(plain).load_state_dict(convert_state(state)[1].state, strict=True, assign=True)


@pytest.mark.parametrize('model', [name for name in RELEASED if not name.startswith('resnet')])
def test_unet_goes_with_every_backbone(model):
    """Nobody released these; the trunk's first convolution follows from the pyramid."""
    state = {n: v for n, v in released(model).items() if n.startswith('encoder.')}
    state |= {n: v for n, v in released('resnet50_unet').items() if not n.startswith('encoder.')}
    channels = backbone_channels(convert_state(released(model))[0].network)
    joined = (channels[3] + channels[2], 512 + channels[1], 256 + channels[0], 128)
    for number, (count, width) in enumerate(zip(joined, (512, 256, 128, 64), strict=True)):
        state[f'decoder.blocks.{number}.conv1.0.weight'] = sized(width, count, 3, 3)
    route, conversion = convert_state(state)
    assert conversion.failures == []
    assert route.decoder == 'unet'
    assert conversion.state['heads.fast.weight'].shape == (37, 64, 3, 3)


@pytest.mark.parametrize('model', RELEASED)
def test_authors_backbone_alone(model):
    """Beside each whole model their code writes the encoder, without prefix."""
    encoder = below(released(model), 'encoder.')
    _, conversion = convert_state(encoder)
    whole = convert_state(released(model))[1]
    assert conversion.failures == []
    assert names(conversion, MISSING) == set()
    assert shapes(conversion.state) == shapes(below(whole.state, 'backbone.'))


@pytest.mark.parametrize('wrap', [
    lambda name: f'module.{name}',
    lambda name: name.replace('encoder.', 'encoder.module.').replace('decoder.', 'decoder.module.'),
])  # fmt: skip
def test_wrappers_of_parallel_runs(wrap):
    state = {wrap(name): value for name, value in released('resnet50_unet').items()}
    _, conversion = convert_state(state)
    assert conversion.failures == []
    assert shapes(conversion.state) == shapes(convert_state(released('resnet50_unet'))[1].state)


def test_a_lost_or_foreign_weight_of_a_released_model_is_found():
    state = released('vitaev2_s_upernet')
    del state['encoder.layers.3.NC.1.mlp.fc1.bias']
    del state['semseghead_2.1.bias']
    state |= {'encoder.layers.9.odd': sized(1), 'semseghead_4.1.bias': sized(3), 'stray': sized(2)}
    _, conversion = convert_state(state)
    assert {row.source or row.target for row in conversion.failures} == {
        'backbone.layers.3.NC.1.mlp.fc1.bias', 'heads.sior.bias', 'encoder.layers.9.odd',
        'semseghead_4.1.bias', 'stray',
    }  # fmt: skip
    allowed = convert_state(state, allowed=['*'])[1]
    assert allowed.failures == []
    assert counts(allowed) == counts(conversion)


def test_a_released_vit_keeps_its_grid():
    state = released('vit_b_upernet') | {'encoder.pos_embed': sized(1, 1024, 768)}
    _, conversion = convert_state(state)
    assert conversion.failures == []
    assert conversion.state['backbone.pos_embed'].shape == (1, 1024, 768)


BARE = {
    # name: (weights, --from, --to; network, dropped, missing)
    'torchvision': (
        lambda: {n: v for n, v in imagenet(below(released('resnet50_unet'), 'encoder.'), 2048, 'fc')
                 .items() if not n.endswith('tracked')},
        'torchvision', 'auto', 'resnet50', 2, 53,
    ),
    'rsp': (
        lambda: imagenet(below(released('resnet50_unet'), 'encoder.'), 2048, 'fc'),
        'rsp', 'auto', 'resnet50', 2, 0,
    ),
    'swin': (
        lambda: imagenet(
            {n.replace('norm3.', 'norm.') if n.startswith('norm3') else n: v
             for n, v in below(released('swint_upernet'), 'encoder.').items()
             if not n.startswith(('norm0', 'norm1', 'norm2'))}
            | {f'layers.{s}.blocks.1.attn_mask': sized(64, 49, 49) for s in range(3)}, 768),
        'swin', 'auto', 'swin', 2 + 2 + 3, 8,
    ),
    'vitae': (
        lambda: imagenet(below(released('vitaev2_s_upernet'), 'encoder.'), 512),
        'vitae', 'auto', 'vitae', 20 + 2, 0,
    ),
    'rsp vitae': (
        lambda: imagenet(below(released('vitaev2_s_upernet'), 'encoder.'), 512),
        'rsp', 'auto', 'vitae', 20 + 2, 0,
    ),
    'internimage': (
        lambda: imagenet(below(released('internimage_t_upernet'), 'encoder.'), 768)
        | {'conv_head.0.weight': sized(768, 512, 1, 1), 'conv_head.1.0.bias': sized(768)},
        'internimage', 'auto', 'internimage', 4, 0,
    ),
    'deit': (deit, 'timm', 'vit', 'vit', 3, 8),
    # 253 by the authors' loader, which doesn't count the 10 num_batches_tracked
    'deit to adapter': (deit, 'timm', 'vit-adapter', 'vit-adapter', 5, 263),
    'beit': (beit, 'beit', 'auto', 'vit-beit', 12 + 4, 8 + 2),
    # 23 missing by the authors' loader; it drops 77 with the class token
    'beit as the authors': (beit, 'beit-lossy', 'auto', 'vit', 12 * 6 + 5, 23),
    # 88 by the authors' loader, which counts 8 index buffers
    'mae': (mae, 'mae', 'auto', 'vit-rvsa', 8, 80),
    'mae to vit': (mae, 'mae', 'vit', 'vit', 5, 8),
}  # fmt: skip
ASKED = ('deit', 'deit to adapter', 'beit as the authors', 'mae to vit')


@pytest.mark.parametrize('case', BARE)
def test_backbones(case):
    make, origin, target, network, dropped, missing = BARE[case]
    state = make()
    route, conversion = convert_state(state, origin, target)
    assert conversion.failures == []
    assert route.network == network
    assert (counts(conversion)[DROPPED], counts(conversion)[MISSING]) == (dropped, missing)
    backbone = build(backbone_config(network))
    found = backbone.load_state_dict(conversion.state, strict=False, assign=True)
    assert found.unexpected_keys == []
    # torch itself forgives num_batches_tracked
    tracked = {name for name in names(conversion, MISSING) if name.endswith('batches_tracked')}
    assert set(found.missing_keys) | tracked == names(conversion, MISSING)
    if case not in ASKED:
        assert convert_state(state)[0].network == network


AXES = dict(
    rsp_resnet50='rsp', imp_vitae='vitae', imp_internimage='internimage', imp_vit='deit',
    beit_vit='beit', mae_vit_rvsa='mae', samrs_mae_vit_rvsa='mae', imp_vit_adapter='deit',
)  # fmt: skip


def test_released_files_become_what_the_configs_look_for():
    seen = set()
    for path in (ROOT / 'configs/_base_/pretrains').glob('*.py'):
        [(axis, source)] = Config.fromfile(path).to_dict().items()
        if 'file' not in source:
            continue
        seen.add(axis)
        flag, *target = source.get('options', '--to auto').split()
        assert flag == '--to'
        _, conversion = convert_state(BARE[AXES[axis]][0](), 'auto', *target)
        assert conversion.failures == []
        assert set(source['keys']) <= set(conversion.state)
    assert seen == set(AXES)


def test_mmpretrains_mae_is_the_same():
    model = Config.fromfile(ROOT / 'configs/mae/mae_vit_samrs.py').model
    pretrain = pytest.importorskip('mmpretrain.registry')
    pytest.importorskip('mmpretrain.models')
    with torch.device('cpu'):
        small = dict(model.backbone, arch=dict(embed_dims=24, num_layers=2, num_heads=2,
                                               feedforward_channels=96), img_size=32)  # fmt: skip
        small = pretrain.MODELS.build(small | dict(_scope_='mmpretrain'))
    state = {f'backbone.{name}': value for name, value in small.state_dict().items()}
    state |= {'neck.mask_token': sized(1), 'neck.decoder_blocks.0.ln1.weight': sized(2)}
    arch = dict(embed_dims=24, depth=2, num_heads=2, mlp_ratio=4, global_blocks=(1,),
                level_blocks=(0, 0, 1, 1))  # fmt: skip
    config = dict(backbone=dict(type='ViTRVSA', arch=arch))
    route, conversion = convert_state(state, model=config)
    assert conversion.failures == []
    assert (route.layout, route.network) == ('mae', 'vit-rvsa')
    assert names(conversion, DROPPED) == {
        'backbone.cls_token', 'backbone.pos_embed', 'backbone.ln1.weight', 'backbone.ln1.bias',
        'neck.mask_token', 'neck.decoder_blocks.0.ln1.weight',
    }  # fmt: skip
    moved = {row.source: row.target for row in conversion.rows if row.source}
    assert moved['backbone.layers.1.ffn.layers.0.0.weight'] == 'blocks.1.mlp.fc1.weight'
    assert moved['backbone.layers.0.ln2.bias'] == 'blocks.0.norm2.bias'
    assert moved['backbone.patch_embed.projection.bias'] == 'patch_embed.proj.bias'
    assert moved['backbone.layers.1.attn.qkv.weight'] == 'blocks.1.attn.qkv.weight'


def test_an_encoder_prefix_of_mae_is_taken_off():
    state = {f'encoder.{name}': value for name, value in mae().items() if 'deco' not in name}
    state |= {'decoder.0.weight': sized(3)}
    _, conversion = convert_state(state)
    assert conversion.failures == []
    assert shapes(conversion.state) == shapes(convert_state(mae())[1].state)


def test_beit_joins_its_biases():
    state = beit()
    state['blocks.3.attn.q_bias'] = torch.full((768,), 2.0)
    state['blocks.3.attn.v_bias'] = torch.full((768,), 3.0)
    result = convert_state(state)[1].state
    assert result['blocks.3.attn.qkv.bias'].reshape(3, 768)[:, ::767].tolist() == [
        [2, 2], [0, 0], [3, 3],
    ]  # fmt: skip
    assert result['blocks.3.attn.relative_position_bias_table'].shape == (732, 12)
    assert result['cls_token'].shape == (1, 1, 768)
    del state['blocks.3.attn.v_bias']
    with pytest.raises(RefusedError, match=r'no blocks\.3\.attn\.v_bias to join it with'):
        convert_state(state)


def test_an_embedding_without_class_token_is_not_cut():
    state = deit()
    del state['cls_token']
    state['pos_embed'] = torch.randn(1, 196, 768, generator=torch.Generator().manual_seed(0))
    result = convert_state(state, target='vit')[1].state['pos_embed']
    assert result.equal(state['pos_embed'])
    with_token = state | dict(pos_embed=torch.cat([torch.zeros(1, 1, 768), result], 1))
    conversion = convert_state(with_token, target='vit')[1]
    assert names(conversion, RESIZED) == {'pos_embed'}
    assert conversion.state['pos_embed'].equal(result)
    kept = convert_state(with_token, target='vit-adapter')[1].state['pos_embed']
    assert kept.equal(with_token['pos_embed'])


def test_a_config_says_what_the_names_do_not():
    leaf = Config.fromfile(ROOT / 'configs/sep/upernet_vit-adapter.py').model
    route, conversion = convert_state(deit(), model=leaf)
    assert route.network == 'vit-adapter'
    assert conversion.failures == []
    assert conversion.state['pos_embed'].shape == (1, 197, 768)
    larger = dict(type='ViT', img_size=512)
    conversion = convert_state(deit(), model=dict(backbone=larger))[1]
    assert conversion.state['pos_embed'].shape == (1, 32 * 32, 768)
    assert names(conversion, RESIZED) == {'pos_embed'}


def test_a_config_may_hold_a_backbone_that_is_not_of_the_paper():
    backbone = dict(type='MobileNetV2', widen_factor=0.25)
    state = MODELS.build(backbone).state_dict()
    lost = state.popitem()[0]
    route, conversion = convert_state(state, model=dict(backbone=backbone))
    assert route.network == 'MobileNetV2'
    assert [row.target for row in conversion.failures] == [lost]
    assert shapes(conversion.state) == shapes(state)


@pytest.mark.parametrize(
    ('make', 'flags', 'message'),
    [
        (deit, {}, 'of a plain ViT, .* give --to vit, vit-adapter, vit-rvsa or vit-beit'),
        (deit, dict(origin='beit'), r'--from beit: .* named like blocks\.0\.attn\.q_bias \('),
        (deit, dict(origin='samrs'), '--from samrs: it has no weight'),
        (deit, dict(origin='rsp', target='vit'), '--from rsp: .* of vit; there is resnet50, swin'),
        (deit, dict(target='authors'), '--to authors: it needs a whole model of ours'),
        (lambda: {'x.weight': sized(1)}, {}, r'of no network known here \(it has x.weight, \.\.\.'),
        (lambda: {'semseghead.1.bias': sized(1)}, {}, 'of no network known here'),
        (lambda: released('resnet50_unet'), dict(target='authors'), "the authors' names already"),
        (
            lambda: {n: v for n, v in released('resnet50_unet').items() if 'blocks' not in n},
            {}, 'its decoder is none of unet, upernet, mask2former',
        ),
    ],
)  # fmt: skip
def test_refused(make, flags, message):
    with pytest.raises(RefusedError, match=message):
        convert_state(make(), **flags)


def test_for_the_wrong_backbone_nothing_passes_unseen():
    _, conversion = convert_state(deit(), target='swin')
    assert len(conversion.failures) > 300


def test_other_sources_than_the_papers_have_no_place_in_the_authors_model():
    state = convert_state(released('resnet50_unet'))[1].state
    state['heads.mine.weight'] = sized(4, 64, 3, 3)
    _, conversion = convert_state(state, target='authors')
    assert [row.source for row in conversion.failures] == ['heads.mine.weight']
