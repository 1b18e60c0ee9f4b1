"""The backbone of docs/extending.md, added to a copy of this repository and from outside."""

import importlib
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from config_rules import check_sep_leaf
from folders import ROOT
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import register_all_modules
from sep_runs import train_two_iterations, write_sources

from samrs_mm.registry import register_all

PAGE = (ROOT / 'docs/extending.md').read_text(encoding='utf-8')
INSIDE, OUTSIDE = (
    PAGE.partition('## How do I add a backbone')[2].partition('\n## ')[0].split('\n### ')[1:]
)
PARTS = ('samrs_mm', 'configs', 'tests', 'tools', 'pyproject.toml', 'model-index.yml')
JUNK = shutil.ignore_patterns('__pycache__', '.mim', 'data')


def files(section):
    """Return the code of each new file in a section by path."""
    return dict(re.findall(r'```python\n# (\S+\.py)\n(.*?)```', section, re.DOTALL))


def write(folder, section):
    for path, code in files(section).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        assert not (folder / path).exists(), path
        (folder / path).write_text(code)
    return len(files(section))


@pytest.fixture
def toynet(tmp_path, monkeypatch):
    """The class, in a file of its own that can be imported; forgotten afterwards."""
    (tmp_path / 'lab').mkdir()
    code = files(INSIDE)['samrs_mm/models/backbones/toynet.py']
    (tmp_path / 'lab/toynet.py').write_text(code)
    monkeypatch.syspath_prepend(tmp_path / 'lab')
    register_all_modules(init_default_scope=True)
    register_all()  # as the tools do
    yield
    sys.modules.pop('toynet', None)
    MODELS.module_dict.pop('ToyNet', None)


def test_inside_the_leaf_keeps_the_rules(tmp_path, toynet):
    importlib.import_module('toynet')
    shutil.copytree(ROOT / 'configs', tmp_path / 'configs')
    for path, code in files(INSIDE).items():
        if path.startswith('configs/'):
            (tmp_path / path).write_text(code)
    check_sep_leaf(tmp_path / 'configs/sep/upernet_toynet_scratch.py', tmp_path)


@pytest.mark.slow
def test_inside_it_takes_four_files_and_no_test_objects(tmp_path):
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tmp_path / part, ignore=JUNK)
        else:
            shutil.copy(ROOT / part, tmp_path / part)
    assert write(tmp_path, INSIDE) == 4
    command = [
        sys.executable, '-m', 'pytest', '-v', '-p', 'no:cacheprovider', 'tests/test_sep_configs.py',
        'tests/test_paper_configs.py', 'tests/models/backbones/test_toynet.py',
        'tests/evaluation/paper',
    ]  # fmt: skip
    env = os.environ | dict(PYTHONPATH=str(tmp_path))
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert 'test_a_leaf_keeps_the_rules[upernet_toynet_scratch] PASSED' in done.stdout
    assert 'test_toynet.py::test_training PASSED' in done.stdout


def test_outside_it_takes_two_files_and_learns(tmp_path, toynet):
    assert write(tmp_path, OUTSIDE) == 1, 'and lab/toynet.py'
    cfg = Config.fromfile(tmp_path / 'lab/upernet_toynet.py')
    model = MODELS.build(cfg.model)
    assert type(model.backbone).__module__ == 'toynet'
    images = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    samples = [SegDataSample(metainfo=dict(source=source)) for source in ('sota', 'fast')]
    for sample in samples:
        sample.gt_sem_seg = PixelData(data=torch.randint(0, 18, (1, 64, 64)))
    batch = model.data_preprocessor(dict(inputs=[*images], data_samples=samples), training=True)
    losses = model.loss(**batch)
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert all(weight.grad.abs().sum() > 0 for weight in model.backbone.parameters())


@pytest.mark.slow
def test_outside_the_tool_trains_it(tmp_path, toynet):
    write(tmp_path, OUTSIDE)
    write_sources(tmp_path)
    losses, weights = train_two_iterations(tmp_path / 'lab/upernet_toynet.py', tmp_path)
    assert len(losses) == 2
    assert weights['backbone.levels.0.0.weight'].shape == (16, 3, 3, 3)


def test_a_leaf_of_unknown_parts_is_for_the_readme_to_describe(tmp_path, toynet):
    shutil.copytree(ROOT / 'configs', tmp_path / 'configs')
    leaf = tmp_path / 'configs/sep/upernet_resnet50_wide.py'
    leaf.write_text(
        "_base_ = './upernet_resnet50.py'\nmodel = dict(decode_head=dict(channels=640))\n"
    )
    with pytest.raises(AssertionError, match='no file for the pretrain in its name; add one, or'):
        check_sep_leaf(leaf, tmp_path)
    with leaf.with_name('README.md').open('a') as readme:
        readme.write('\n[upernet_resnet50_wide](upernet_resnet50_wide.py) has a wider decoder.\n')
    check_sep_leaf(leaf, tmp_path)
