"""Rules that every leaf of configs/sep, configs/potsdam and configs/isaid keeps.

They ask nothing of a leaf that only the paper's have: no row in a table, no schedule, no size. So a
new leaf is checked as soon as its file is there.
"""

import re
from copy import deepcopy
from functools import cache
from pathlib import Path

import torch
import yaml
from folders import load_tool
from mmengine.config import Config
from mmseg.registry import DATASETS, METRICS, MODELS
from mmseg.utils import register_all_modules

from samrs_mm.datasets.segmentation.subsets import subset_name

sep_config = load_tool('analysis_tools/readme_tables').sep_config
SHAPES = {}  # of models that were built
SHORT, PRIMITIVE = 8, 30  # lines of a leaf that inherits another leaf, and of any other


def load(path):
    """Return a config, which the caller may change."""
    register_all_modules(init_default_scope=True)  # which goes with each file of tests
    return deepcopy(read(path))


@cache
def read(path):
    return Config.fromfile(path)


def shapes(model):
    """Return the shapes of a model's weights by name; most configs share theirs with others."""
    model = model | dict(backbone=model.backbone | dict(init_cfg=None))
    key = str(model)
    if key not in SHAPES:
        # mmseg's Swin reads tensors while it is built, which meta tensors refuse
        with torch.device('cpu' if model.backbone.type == 'SwinTransformer' else 'meta'):
            network = MODELS.build(model)
        weights = {name for name, _ in network.named_parameters()}
        state = {name: value.shape for name, value in network.state_dict().items()}
        SHAPES[key] = state, sum(state[name].numel() for name in weights)
    return SHAPES[key][0]


def count_parameters(model):
    shapes(model)
    return SHAPES[str(model | dict(backbone=model.backbone | dict(init_cfg=None)))][1]


@cache
def models_of(metafile):
    return yaml.safe_load(metafile.read_text(encoding='utf-8'))['Models']


def read_entry(leaf):
    """Return a leaf's entry in its folder's metafile, or None."""
    metafile = leaf.with_name('metafile.yml')
    found = [model for model in models_of(metafile) if model['Name'] == leaf.stem]
    assert len(found) <= 1, f'{metafile}: {leaf.stem} is there twice'
    return found[0] if found else None


def read_axis(leaf, axis, name):
    """Return the variables of ``_base_/AXIS/NAME.py``; None where there is no such file."""
    path = leaf.parents[1] / '_base_' / axis / f'{name}.py'
    return read(path).to_dict() if path.is_file() else None


def check_any(leaf, tmp_path):
    """What holds for leaves of pre-training and of fine-tuning.

    Args:
        leaf: Path of the config, in its folder of ``configs``.
        tmp_path: An empty folder.
    """
    lines = leaf.read_text(encoding='utf-8').splitlines()
    limit = SHORT if any("'./" in line for line in lines) else PRIMITIVE
    assert len(lines) <= limit, f'{leaf.name}: {len(lines)} lines; put them into _base_'
    cfg = load(leaf)
    text = cfg.pretty_text
    assert not re.findall(r"'(?:/|~)[\w/.-]+'", text), 'absolute paths'
    (tmp_path / 'dumped.py').write_text(text)
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == cfg.to_dict()

    assert METRICS.build(cfg.val_evaluator)
    assert METRICS.build(cfg.test_evaluator)
    assert 'batch_size' not in cfg.train_dataloader.sampler, "it is the loader's"
    assert cfg.custom_hooks == [], 'left to users; ours stand in default_hooks'
    assert cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0
    end, length = cfg.param_scheduler[-1].end, cfg.train_cfg.max_iters
    assert end == length, f'{leaf.name}: the last scheduler ends at {end}, training at {length}'
    entry = read_entry(leaf)
    if entry:
        assert entry['Config'] == f'configs/{leaf.parent.name}/{leaf.name}'
        recorded = entry['Metadata'].get('Parameters')
        assert recorded in (None, count_parameters(cfg.model)), f'{leaf.stem} in metafile.yml'
        assert f'[{leaf.stem}]({leaf.name})' in leaf.with_name('README.md').read_text()
    source = cfg.get('pretrain_source')
    if source:
        assert cfg.model.backbone.init_cfg == dict(type='Pretrained', checkpoint=source.path)
        state = shapes(cfg.model)
        assert {f'backbone.{key}' for key in source['keys']} <= state.keys()


def check_named(leaf, decoder, backbone, pretrain):
    """The name says what is in it; parts without a file in ``_base_`` are for the README to say.

    Args:
        leaf: Path of the config.
        decoder: Part of its name, as the next two.
        backbone: Part of its name.
        pretrain: Part of its name; ``scratch`` for random weights.
    """
    model = load(leaf).model
    axes = dict(
        decoder=read_axis(leaf, 'decoders', decoder),
        backbone=read_axis(leaf, 'backbones', backbone),
        pretrain=read_axis(leaf, 'pretrains', f'{pretrain}_{backbone}'),
    )
    if pretrain == 'scratch':
        assert model.backbone.get('init_cfg') is None
        axes['pretrain'] = {}
    elif axes['pretrain']:
        [source] = axes['pretrain'].values()
        assert model.backbone.init_cfg.checkpoint == source['path']
    if axes['decoder']:
        assert _types(model.decode_head) == _types(axes['decoder']['decode_head'])
    if axes['backbone']:
        assert model.backbone.type == axes['backbone']['backbone']['type']
    unknown = [part for part, found in axes.items() if found is None]
    if unknown:
        readme = leaf.with_name('README.md').read_text(encoding='utf-8')
        assert f'[{leaf.stem}]({leaf.name})' in readme, (
            f'{leaf.name}: configs/_base_ has no file for the {" and ".join(unknown)} in its name; '
            'add one, or describe the config in README.md'
        )


def _types(heads):
    return [head['type'] for head in (heads if isinstance(heads, list) else [heads])]


def check_sep_leaf(leaf, tmp_path):
    """A config of pre-training: a head for each source, of as many classes as the source has."""
    check_any(leaf, tmp_path)
    assert '_' in leaf.stem, f'{leaf.name}: name it {{decoder}}_{{backbone}}[_{{pretrain}}].py'
    decoder, backbone, *rest = leaf.stem.split('_')
    check_named(leaf, decoder, backbone, '_'.join(rest) or 'imp')
    cfg = load(leaf)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert cfg.model.heads == {
            item.get('source') or item.data_root.rpartition('/')[2]: dict(
                num_classes=len(DATASETS.get(item.type).METAINFO['classes'])
            )
            for item in loader.dataset.datasets
        }


def check_finetune_leaf(leaf, tmp_path):
    """A config of fine-tuning: its dataset, and where its weights come from."""
    check_any(leaf, tmp_path)
    folder, parts = leaf.parent.name, leaf.stem.split('_')
    form = f'{leaf.name}: name it {{decoder}}_{{backbone}}_{{pretrain}}_{folder}[-{{n}}pct].py'
    assert len(parts) == 4, form
    decoder, backbone, pretrain, data = parts
    data, _, percent = data.partition('-')
    assert data == folder, form
    cfg = load(leaf)
    dataset = cfg.train_dataloader.dataset
    assert dataset.ann_file == (subset_name(int(percent[:-3]) / 100) if percent else '')
    classes = len(DATASETS.get(dataset.type).METAINFO['classes'])
    heads = cfg.model.decode_head
    for head in heads if isinstance(heads, list) else [heads]:
        assert head.num_classes == classes
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.type == dataset.type
        assert loader.dataset.test_mode
    start = sep_config(leaf.stem)
    if start:
        assert cfg.load_from == f'pretrain/sep/{start}.pth'
        assert cfg.model.backbone.get('init_cfg') is None
        check_takes_over(cfg, load(leaf.parents[1] / f'sep/{start}.py'))
        check_named(leaf, decoder, backbone, 'scratch')
    else:
        assert cfg.get('load_from') is None
        check_named(leaf, decoder, backbone, pretrain)


def check_takes_over(cfg, of_sep):
    """Backbone and trunk have the same names and shapes as in pre-training; the head is new."""
    tuned, pretrained = shapes(cfg.model), shapes(of_sep.model)
    shared = {
        name: shape
        for name, shape in pretrained.items()
        if not name.startswith(('heads.', 'side_heads.'))
    }
    resized = {name.rpartition('.')[2] for name in shared if tuned.get(name) != shared[name]}
    assert resized <= {'pos_embed', 'relative_position_bias_table'}
    new = {name.rpartition('.')[0] for name in tuned.keys() - shared.keys()}
    predicts = {name.replace('auxiliary', 'decode') for name in new}
    assert predicts in (
        {'decode_head.conv_seg'},
        {'decode_head.cls_embed'},
        {f'decode_head.{number}.conv_seg' for number in range(2)},
    )


def leaves(*folders: Path):
    """Return the configs of folders, by path."""
    return sorted(path for folder in folders for path in folder.glob('*.py'))
