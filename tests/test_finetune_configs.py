"""Every row of the paper's Tables 3 to 6 is a config whose name tells its content."""

import re
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmseg.registry import DATASETS, METRICS, MODELS
from mmseg.utils import register_all_modules

from samrs_mm.datasets.segmentation.subsets import subset_name
from samrs_mm.evaluation.paper.tables import TABLE_3, TABLE_4, TABLE_5, TABLE_6

ROOT = Path(__file__).resolve().parents[1]
DATA = dict(potsdam=(5, 512, 342), isaid=(16, 896, 598))
HELD_OUT = dict(potsdam='test', isaid='val')
LEAVES = sorted(path for data in DATA for path in (ROOT / 'configs' / data).glob('*.py'))
NAMES = {path.stem for path in LEAVES}
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
SHAPES = {}  # of models that were built
RESNET = ('imp', 'imp-sep', 'rsp', 'rsp-sep')


def rows(data):
    """Names of Table 3 (Potsdam) or 4 (iSAID)."""
    names = {f'{decoder}_resnet50_{pre}' for decoder in ('unet', 'upernet') for pre in RESNET}
    hierarchical = ('swin', 'vitae', 'internimage')
    names |= {f'upernet_{backbone}_imp{sep}' for backbone in hierarchical for sep in ('', '-sep')}
    if data == 'potsdam':
        names |= {f'{decoder}_resnet50_sep' for decoder in ('unet', 'upernet')}
        plain = [
            ('upernet_vit-adapter', ('imp',)),
            ('upernet_vit', ('imp', 'beit')),
            ('upernet_vit-rvsa', ('mae', 'samrs-mae')),
            ('mask2former_resnet50', ('imp',)),
        ]
        names |= {
            f'{network}_{pre}{sep}'
            for network, pretrains in plain
            for pre in pretrains
            for sep in ('', '-sep')
        }
    return {f'{name}_{data}' for name in names}


def few(data):
    """Names of Table 5 (Potsdam) or 6 (iSAID)."""
    return {f'unet_resnet50_{pre}_{data}-{percent}pct' for pre in RESNET for percent in (5, 3, 1)}


def test_all_rows_are_there_and_nothing_else():
    assert [len(rows(data)) for data in DATA] == [28, 14]
    assert sum(len(few(data)) for data in DATA) == 24
    assert {*rows('potsdam'), *rows('isaid'), *few('potsdam'), *few('isaid')} == NAMES


@cache
def load(path):
    register_all_modules(init_default_scope=True)
    return Config.fromfile(path)


@pytest.fixture(params=LEAVES, ids=lambda path: path.stem)
def leaf(request):
    return request.param


def test_name_tells_content(leaf):
    decoder, backbone, pretrain, data = leaf.stem.split('_')
    data, _, percent = data.partition('-')
    assert data == leaf.parent.name
    classes, side, stride = DATA[data]
    cfg = load(leaf)
    model = cfg.model
    assert MODELS.get(model.decode_head.type).__name__ == model.decode_head.type
    assert model.decode_head.type == DECODERS[decoder]
    assert model.backbone.type == BACKBONES[backbone]
    check_pretrain(cfg, decoder, backbone, pretrain)

    dataset = cfg.train_dataloader.dataset
    assert dataset.ann_file == (subset_name(int(percent[:-3]) / 100) if percent else '')
    assert dataset.data_root == f'data/{data}/train'
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.type == dataset.type
        assert loader.dataset.data_root == f'data/{data}/{HELD_OUT[data]}'
        assert (loader.dataset.ann_file, loader.dataset.test_mode) == ('', True)
    assert len(DATASETS.get(dataset.type).METAINFO['classes']) == classes
    assert model.decode_head.num_classes == classes
    assert dataset.pipeline[0].crop.crop_size == (side, side)
    assert model.test_cfg == dict(mode='slide', crop_size=(side, side), stride=(stride, stride))
    if backbone == 'vit':
        assert model.backbone.img_size == side
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == 8
    assert cfg.train_dataloader.sampler.batch_size == cfg.train_dataloader.batch_size
    # the test tiles are read once, when training is over
    assert cfg.train_cfg.max_iters == cfg.train_cfg.val_interval == 80_000
    [cosine] = cfg.param_scheduler
    assert cosine.T_max == cosine.end == 80_000
    assert METRICS.build(cfg.test_evaluator)


def check_pretrain(cfg, decoder, backbone, pretrain):
    before, sep = pretrain.removesuffix('sep').rstrip('-'), pretrain.endswith('sep')
    if sep:
        ending = dict(imp='').get(before, f'_{before or "scratch"}')
        name = f'{decoder}_{backbone}{ending}'
        assert (ROOT / f'configs/sep/{name}.py').is_file()
        assert cfg.model.backbone.init_cfg is None
        assert cfg.load_from == f'pretrain/sep/{name}.pth'
        assert cfg.pretrain_source is None
    else:
        assert cfg.get('load_from') is None
        assert cfg.model.backbone.init_cfg == dict(
            type='Pretrained', checkpoint=cfg.pretrain_source.path
        )
        ending = dict(imp='').get(before, f'_{before}')
        of_sep = load(ROOT / f'configs/sep/{decoder}_{backbone}{ending}.py')
        assert cfg.model.backbone.init_cfg == of_sep.model.backbone.init_cfg


def test_it_builds_and_takes_over_all_of_sep(leaf):
    """Backbone and trunk have the same names and shapes as in pre-training; the head is new."""
    decoder, backbone, pretrain, _ = leaf.stem.split('_')
    before = pretrain.removesuffix('sep').rstrip('-') or 'scratch'
    ending = dict(imp='').get(before, f'_{before}')
    cfg, of_sep = load(leaf), load(ROOT / f'configs/sep/{decoder}_{backbone}{ending}.py')
    tuned, pretrained = shapes(without_weights(cfg)), shapes(without_weights(of_sep))
    shared = {name: shape for name, shape in pretrained.items() if not name.startswith('heads.')}
    resized = {name for name in shared if tuned.get(name) != shared[name]}
    positions = dict(beit='relative_position_bias_table').get(before, 'pos_embed')
    assert {name.rpartition('.')[2] for name in resized} == (
        {positions} if backbone == 'vit' else set()
    )
    new = tuned.keys() - shared.keys()
    assert {name.rpartition('.')[0] for name in new} in (
        {'decode_head.conv_seg'},
        {'decode_head.cls_embed'},
    )


def without_weights(cfg):
    return cfg.model | dict(backbone=cfg.model.backbone | dict(init_cfg=None))


def shapes(model):
    """Return the shapes of a model's weights by name; most configs share theirs with others."""
    key = str(model)
    if key not in SHAPES:
        # mmseg's Swin reads tensors while it is built, which meta tensors refuse
        with torch.device('cpu' if model.backbone.type == 'SwinTransformer' else 'meta'):
            state = MODELS.build(model).state_dict()
        SHAPES[key] = {name: weight.shape for name, weight in state.items()}
    return SHAPES[key]


def test_short(leaf):
    text = leaf.read_text()
    assert len(text.splitlines()) <= (5 if "'./" in text else 30)


# the few-sample ones are a line longer than their parents
@pytest.mark.parametrize(
    'leaf', [path for path in LEAVES if 'pct' not in path.stem], ids=lambda path: path.stem
)
def test_relative_and_reloadable(leaf, tmp_path, monkeypatch):
    # pretty printing takes longer than all else here
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, False))
    cfg = load(leaf)
    text = cfg.pretty_text
    assert not re.findall(r"'(?:/|~)[\w/.-]+'", text), 'absolute paths'
    (tmp_path / 'dumped.py').write_text(text)
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == cfg.to_dict()


@pytest.mark.parametrize('data', DATA)
def test_metafile_and_readme_name_every_leaf(data):
    """With the paper's numbers, which are the authors', not ours."""
    folder = ROOT / 'configs' / data
    meta = yaml.safe_load((folder / 'metafile.yml').read_text())
    [collection] = meta['Collections']
    models = {model['Name']: model for model in meta['Models']}
    assert len(models) == len(meta['Models'])
    assert models.keys() == {path.stem for path in LEAVES if path.parent == folder}
    for name, model in models.items():
        assert model['Config'] == f'configs/{data}/{name}.py'
        assert model['In Collection'] == collection['Name']
        assert 'Results' not in model, 'nothing was run'
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert f'configs/{data}/metafile.yml' in index['Import']
    readme = (folder / 'README.md').read_text().splitlines()
    lines = {line[3:].partition(']')[0]: line for line in readme if line.startswith('| [')}
    printed = paper(data)
    assert lines.keys() == models.keys() == printed.keys()
    for name, line in lines.items():
        assert f'| [{name}]({name}.py) |' in line
        assert line.endswith(
            f'| {" | ".join(f"{value:.2f}" for value in printed[name])} | not run |'
        )
        sep = load(folder / f'{name}.py').get('load_from')
        if sep and 'pct' not in name:
            assert f'(../sep/{Path(sep).stem}.py)' in line


def paper(data):
    """What the paper prints for each config: OA and mean F1, or mean IoU."""
    if data == 'potsdam':
        whole, part = {name: (row.oa, row.mf1) for name, row in TABLE_3.items()}, TABLE_5
    else:
        whole, part = {name: (row.miou,) for name, row in TABLE_4.items()}, TABLE_6
    return whole | {name: (value,) for name, value in part.items()}
