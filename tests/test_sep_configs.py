import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    TRANSFORMS,
)
from mmseg.utils import register_all_modules

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'configs/sep'
LEAVES = sorted(path.stem for path in FOLDER.glob('*.py'))
DECODERS = dict(unet='UNetHead', upernet='UPerHead', mask2former='PartialLabelMask2FormerHead')
BACKBONES = {
    'resnet50': 'ResNet',
    'swin': 'SwinTransformer',
    'vitae': 'ViTAEv2',
    'internimage': 'InternImage',
    'vit': 'ViT',
    'vit-adapter': 'ViTAdapter',
    'vit-rvsa': 'ViTRVSA',
}
# Released files that need no conversion; all others are converted to pretrain/PRETRAIN_BACKBONE.pth
AS_RELEASED = dict(
    imp_resnet50='pretrain/resnet50-19c8e357.pth',
    imp_swin='pretrain/swin_tiny_patch4_window7_224_20220317-1cdeb081.pth',
)
# Counted on the authors' own models: parameters for SEP, for fine-tuning on 5 classes; all keys;
# and of these parameters what nothing ever reads, which is left out here
SIZES = {
    'unet_resnet50': (43_867_211, 43_867_211 - 577 * 70, 372, 0),
    'upernet_resnet50': (64_060_043, 64_024_133, 396, 0),
    'upernet_swin': (33_235_269, 33_221_759, None, 0),
    # six tables of relative positions, four norms
    'upernet_vitae': (21_390_035, 21_381_005, None, 1_352 + 1_920),
    'upernet_internimage': (31_313_595, 31_304_565, 763, 0),
    'upernet_vit': (160_784_715, 160_730_885, 235, 0),
    'upernet_vit-adapter': (167_401_259, 167_347_429, 488, 0),
    # the final norm
    'upernet_vit-rvsa_mae': (161_032_843, 160_979_013, None, 1_536),
    'mask2former_resnet50': (44_022_606, 44_004_102, 614, 0),
}
TABLE_7 = {
    'resnet50': (1e-3, 5e-2, 1e-4),
    'swin': (6e-5, 1e-2, 0),
    'vitae': (6e-5, 1e-2, 0),
    'internimage': (6e-5, 5e-2, 0),
    'vit': (6e-5, 5e-2, 0),
    'vit-adapter': (6e-5, 1e-2, 0),
    'vit-rvsa': (6e-5, 5e-2, 0),
}


def load(name):
    register_all_modules(init_default_scope=True)
    return Config.fromfile(FOLDER / f'{name}.py')


def build(cfg, **overrides):
    """Build without pretrained weights."""
    model = cfg.model.copy()
    model.backbone = model.backbone | dict(init_cfg=None)
    return MODELS.build(model | overrides)


def weightless(cfg):
    """Where to build a model whose weights don't matter: mmseg's Swin reads tensors meanwhile."""
    return torch.device('cpu' if cfg.model.backbone.type == 'SwinTransformer' else 'meta')


def count(model):
    return sum(weight.numel() for weight in model.parameters())


@pytest.fixture(params=LEAVES)
def leaf(request):
    return request.param


def test_all_leaves_are_there():
    resnets = [f'{decoder}_resnet50' for decoder in ('unet', 'upernet')]
    table_9 = [
        *(f'{name}{pretrain}' for name in resnets for pretrain in ('', '_rsp', '_scratch')),
        'upernet_swin',
        'upernet_vitae',
        'upernet_internimage',
        'upernet_vit',
        'upernet_vit-adapter',
        'upernet_vit_beit',
        'upernet_vit-rvsa_mae',
        'upernet_vit-rvsa_samrs-mae',
    ]
    assert len(table_9) == 14
    assert sorted([*table_9, 'mask2former_resnet50']) == LEAVES


def test_name_tells_content(leaf):
    decoder, backbone, pretrain, *rest = [*leaf.split('_'), 'imp']
    assert rest in ([], ['imp'])
    cfg = load(leaf)
    assert cfg.model.decode_head.type == DECODERS[decoder]
    assert cfg.model.backbone.type == BACKBONES[backbone]
    if pretrain == 'scratch':
        assert cfg.model.backbone.init_cfg is None
        assert cfg.pretrain_source is None
    else:
        axis = f'{pretrain}_{backbone}'
        checkpoint = AS_RELEASED.get(axis, f'pretrain/{axis}.pth')
        assert (axis in AS_RELEASED) != ('file' in cfg.pretrain_source)
        assert cfg.model.backbone.init_cfg == dict(type='Pretrained', checkpoint=checkpoint)
        assert cfg.pretrain_source.path == checkpoint
        assert cfg.pretrain_source.url.startswith('https://')
        assert set(cfg.pretrain_source['keys']) <= set(build(cfg).backbone.state_dict())


def test_short_relative_and_reloadable(leaf, tmp_path):
    path = FOLDER / f'{leaf}.py'
    text = path.read_text()
    limit = 5 if "'./" in text else 25
    assert len(text.splitlines()) <= limit
    cfg = load(leaf)
    dumped = cfg.pretty_text
    assert not re.findall(r"'(?:/|~)[\w/.-]+'", dumped), 'absolute paths'
    (tmp_path / 'dumped.py').write_text(dumped)
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == cfg.to_dict()


def test_schedule(leaf):
    cfg = load(leaf)
    [cosine] = cfg.param_scheduler
    assert cfg.train_cfg.max_iters == cosine.T_max == cosine.end == 80_000
    assert cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=5, norm_type=2)
    optimizer = cfg.optim_wrapper.optimizer
    table_7 = TABLE_7[leaf.split('_')[1]]
    assert (optimizer.lr, optimizer.weight_decay, cosine.eta_min) == table_7
    assert optimizer.type == 'AdamW'
    assert tuple(optimizer.betas) == (0.9, 0.999)
    assert cfg.auto_scale_lr.base_batch_size == 8 * cfg.train_dataloader.batch_size == 96


def test_heads_have_the_classes_of_the_datasets(leaf):
    cfg = load(leaf)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert cfg.model.heads == {
            item.data_root.rpartition('/')[2]: dict(
                num_classes=len(DATASETS.get(item.type).METAINFO['classes'])
            )
            for item in loader.dataset.datasets
        }
    assert METRICS.build(cfg.val_evaluator).nan_to_num == 0
    assert METRICS.build(cfg.test_evaluator)


def test_what_is_named_is_registered():
    """By the imports of the config; nothing else in this file imports those modules."""
    cfg = load('upernet_resnet50')
    assert LOOPS.get(cfg.train_cfg.type)
    assert all(HOOKS.get(hook.type) for hook in [*cfg.custom_hooks, *cfg.default_hooks.values()])
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert DATA_SAMPLERS.get(loader.sampler.type)
        for dataset in loader.dataset.datasets:
            assert all(TRANSFORMS.get(step.type) for step in dataset.pipeline)


@pytest.mark.parametrize('name', SIZES)
def test_parameters_equal_the_authors_to_the_unit(name):
    sep, fine_tuning, keys, unread = SIZES[name]
    cfg = load(name)
    with weightless(cfg):
        model = build(cfg)
        assert count(model) == sep - unread
        assert keys is None or len(model.state_dict()) == keys
        if fine_tuning:
            cfg.model.pop('heads')
            cfg.model.pop('forward_mode')
            cfg.model.decode_head.num_classes = 5
            assert count(build(cfg, type='EncoderDecoder')) == fine_tuning - unread


# trainable parameters of UNet models for SEP; the paper's tables have only ResNet-50's
@pytest.mark.parametrize(
    ('upernet', 'expected'),
    [
        ('upernet_resnet50', 43_867_211),
        ('upernet_swin', 38_110_917),
        ('upernet_vitae', 27_482_387),
        ('upernet_internimage', 37_405_947),
        ('upernet_vit', 107_339_787),
        ('upernet_vit-adapter', 113_956_331),
        ('upernet_vit-rvsa_mae', 107_587_915),
    ],
)
def test_unet_on_every_backbone_equals_the_authors_to_the_unit(upernet, expected):
    cfg = load(upernet)
    unet = load('unet_resnet50').model.decode_head
    unet.in_channels = cfg.backbone_channels
    cfg.model.decode_head = unet
    with weightless(cfg):
        assert count(build(cfg)) == expected - SIZES[upernet][3]


def test_upernet_is_as_wide_as_the_second_level():
    assert load('upernet_resnet50').model.decode_head.channels == 512
    assert load('upernet_swin').model.decode_head.channels == 192
    assert load('upernet_vitae').model.decode_head.channels == 128
    assert load('upernet_vit').model.decode_head.channels == 768


def test_decoder_begins_as_the_authors_did():
    head = build(load('unet_resnet50')).decode_head
    head.init_weights()
    for block in head.blocks:
        for conv in (block.conv1[0], block.conv2[0]):
            bound = (6 / conv.weight[0].numel()) ** 0.5
            assert 0.99 * bound < conv.weight.abs().max() <= bound * (1 + 1e-6)


def test_swin_spares_from_decay_what_the_authors_spare():
    cfg = load('upernet_swin')
    wrapper = build_optim_wrapper(build(cfg), cfg.optim_wrapper)
    spared = [
        weight
        for group in wrapper.optimizer.param_groups
        for weight in group['params']
        if group['weight_decay'] == 0
    ]
    assert (len(spared), sum(weight.numel() for weight in spared)) == (76, 49_434)


def test_metafile_and_readme_name_every_leaf():
    meta = yaml.safe_load((FOLDER / 'metafile.yml').read_text())
    models = {model['Name']: model for model in meta['Models']}
    assert sorted(models) == LEAVES
    assert all(model['Config'] == f'configs/sep/{name}.py' for name, model in models.items())
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert 'configs/sep/metafile.yml' in index['Import']
    readme = (FOLDER / 'README.md').read_text()
    for name, model in models.items():
        cfg = load(name)
        with weightless(cfg):
            parameters = count(build(cfg))
        assert model['Metadata']['Parameters'] == parameters
        assert f'| [{name}]({name}.py) |' in readme
        assert f'{parameters:,}' in readme


def test_base_names_are_unique():
    """MIM finds a config by its base name."""
    names = sorted(
        path.name for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts
    )
    assert not [one for one, other in pairwise(names) if one == other]
