"""Released checkpoints through the tool, as files."""

import csv
import os
import pickle
import subprocess
import sys
from collections import Counter

import checkpoint_cases
import numpy as np
import pytest
import torch
from checkpoint_cases import numbered, released
from folders import ROOT, load_tool
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules

from samrs_mm.compat import safe_load

TOOL = load_tool('model_converters/convert_checkpoint')
CONFIG = """
default_scope = 'mmseg'
custom_imports = dict(imports=['samrs_mm.models.decode_heads', 'samrs_mm.models.segmentors'])
backbone = dict(type='ResNet', depth=18, stem_channels=4, base_channels=4)
decode_head = dict(
    type='UNetHead', in_channels=(4, 8, 16, 32), in_index=(0, 1, 2, 3), num_classes=3,
    decoder_channels=(8, 8, 4, 4), loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True))
heads = dict(sota=dict(num_classes=5), sior=dict(num_classes=6), fast=dict(num_classes=7))
model = dict(
    type='MultiHeadEncoderDecoder', backbone=backbone, decode_head=decode_head, heads=heads)
"""


def build(path):
    """Build the config's model with weights that no initialisation would give."""
    register_all_modules(init_default_scope=True)
    model = MODELS.build(Config.fromfile(path).model)
    generator = torch.Generator().manual_seed(0)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator))
    return model


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'small.py'
    path.write_text(CONFIG)
    return path


@pytest.fixture
def ours(config):
    return build(config).state_dict()


@pytest.fixture
def theirs(tmp_path, ours):
    """A checkpoint as the authors' training writes it, and its weights."""
    new = [('backbone.', 'encoder.'), ('decode_head.', 'decoder.')]
    new += [
        (f'heads.{s}.', f'semseghead_{n}.0.') for n, s in enumerate(('sota', 'sior', 'fast'), 1)
    ]
    state = {}
    for name, value in ours.items():
        prefix, replacement = next(pair for pair in new if name.startswith(pair[0]))
        state[replacement + name.removeprefix(prefix)] = value
    some = torch.nn.Parameter(torch.ones(2))
    some.grad = torch.ones(2)
    optimizer = torch.optim.AdamW([some])
    optimizer.step()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    path = tmp_path / 'best_resnet_unet_pretrn_model.pth'
    torch.save(
        dict(epoch=3, iteration=80, state_dict=state, optimizer=optimizer.state_dict(),
             scheduler=schedule.state_dict(), loss_pretrain=np.array([[1.5, 0.5]])), path
    )  # fmt: skip
    return path, state


def convert(*words):
    return TOOL.main([str(word) for word in words])


def read(path):
    return torch.load(path, weights_only=True)


def same(state, other):
    return state.keys() == other.keys() and all(state[name].equal(other[name]) for name in state)


def test_a_whole_model_there_and_back(theirs, config, ours, tmp_path, capsys):
    path, state = theirs
    out, table = tmp_path / 'new/ours.pth', tmp_path / 'keys.csv'
    assert convert(path, out, '--config', config, '--report', table) == 0
    written = read(out)
    assert same(written['state_dict'], ours)
    assert written['meta'] == dict(
        converted_from=path.name, layout='samrs', network='resnet50', decoder='unet'
    )
    model = build(config)
    torch.nn.init.zeros_(model.heads.sota.weight)
    load_checkpoint(model, str(out), strict=True)
    assert same(model.state_dict(), ours)

    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert Counter(row['status'] for row in rows) == dict(renamed=len(state))
    assert {row['source'] for row in rows} == set(state)
    assert {row['target'] for row in rows} == set(ours)
    said = capsys.readouterr().out
    assert f'{len(state)} weights in state_dict (beside it: epoch, iteration, optimizer, ' in said
    assert f'kept 0  renamed {len(state)}  resized 0  dropped 0  missing 0  left over 0' in said

    back = tmp_path / 'back.pth'
    assert convert(out, back, '--to', 'authors') == 0
    assert same(read(back)['state_dict'], state)


def test_a_backbone_loads_by_its_init_cfg(tmp_path, config, ours):
    backbone = {n.removeprefix('backbone.'): v for n, v in ours.items() if 'backbone' in n}
    head = {'fc.weight': torch.zeros(10, 32), 'fc.bias': torch.zeros(10)}
    torch.save(dict(model=backbone | head), tmp_path / 'rsp.pth')
    out = tmp_path / 'out.pth'
    assert convert(tmp_path / 'rsp.pth', out, '--from', 'rsp', '--config', config) == 0
    assert same(read(out)['state_dict'], backbone)
    register_all_modules(init_default_scope=True)
    model = MODELS.build(
        dict(type='ResNet', depth=18, stem_channels=4, base_channels=4,
             init_cfg=dict(type='Pretrained', checkpoint=str(out)))
    )  # fmt: skip
    model.init_weights()
    assert same(model.state_dict(), backbone)


def test_moving_average_by_choice(tmp_path, config, ours):
    plain = {n.removeprefix('backbone.'): v for n, v in ours.items() if 'backbone' in n}
    average = {f'module.{name}': value + 1 for name, value in plain.items()}
    path, out = tmp_path / 'both.pth.tar', tmp_path / 'out.pth'
    torch.save(dict(state_dict=plain, state_dict_ema=average, epoch=1), path)
    for flags, added in ((), 0), (('--no-ema',), 0), (('--ema',), 1):
        assert convert(path, out, '--config', config, *flags) == 0
        expected = {name: value + added for name, value in plain.items()}
        assert same(read(out)['state_dict'], expected)


def test_what_is_lost_or_left_over_is_refused_unless_allowed(theirs, config, tmp_path, capsys):
    path, state = theirs
    lost = 'decoder.blocks.3.conv2.0.weight'
    odd = {'encoder.adapter.weight': torch.zeros(1)}
    torch.save({name: value for name, value in state.items() if name != lost} | odd, path)
    out, table = tmp_path / 'out.pth', tmp_path / 'keys.csv'
    flags = ('--config', config, '--report', table)
    assert convert(path, out, *flags) == 2
    assert not out.exists()
    said = capsys.readouterr()
    assert said.err.count('\n') == 1
    assert '2 keys are missing or left over that should not be, such as encoder.adap' in said.err
    assert 'NOT EXPECTED, missing: not in the file (1)\n  decode_head.blocks.3.conv2.0.' in said.out
    assert 'NOT EXPECTED, left over: not of this model (1)\n  encoder.adapter.wei' in said.out
    unexpected = [row for row in csv.DictReader(table.open()) if row['expected'] == 'no']
    assert [row['status'] for row in unexpected] == ['left over', 'missing']
    assert convert(path, out, *flags, '--allow', '*.adapter.*', 'decode_head.blocks.3.*') == 0
    assert len(read(out)['state_dict']) == len(state) - 1


def test_views_do_not_take_their_whole_along(tmp_path, config, ours):
    backbone = {n.removeprefix('backbone.'): v for n, v in ours.items() if 'backbone' in n}
    large = torch.zeros(1_000_000)
    large[:4] = backbone['bn1.weight']
    path, out = tmp_path / 'in.pth', tmp_path / 'out.pth'
    torch.save(backbone | {'bn1.weight': large[:4]}, path)
    assert path.stat().st_size > 4_000_000
    assert convert(path, out, '--config', config) == 0
    assert out.stat().st_size < 500_000
    assert same(read(out)['state_dict'], backbone)


class Evil:
    def __reduce__(self):
        return os.system, ('touch evil',)


@pytest.mark.parametrize(
    ('spoil', 'code', 'message'),
    [
        (lambda path: path.unlink(), 2, 'No such file or directory'),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), 2, 'truncated, corrupt or no'),
        (lambda path: path.write_text('<html>'), 2, 'truncated, corrupt or no torch checkpoint'),
        (lambda path: torch.save(dict(state_dict=Evil()), path), 2, 'it asks for posix.system, wh'),
        (lambda path: path.write_bytes(pickle.dumps(Evil(), 2)), 2, 'not loaded, it asks for posi'),
        (lambda path: torch.save([1], path), 2, 'it holds no weights by name'),
        (lambda path: torch.save(dict(a=torch.ones(1)), path), 2, 'it is of no network known here'),
    ],
)
def test_bad_files_get_one_line(theirs, tmp_path, capsys, monkeypatch, spoil, code, message):
    monkeypatch.chdir(tmp_path)
    path, _ = theirs
    spoil(path)
    assert convert(path, tmp_path / 'out.pth') == code
    said = capsys.readouterr().err
    assert said.startswith(f'error: {path}: ')
    assert message in said
    assert said.count('\n') == 1
    assert not (tmp_path / 'out.pth').exists()
    assert not (tmp_path / 'evil').exists()


def test_other_refusals(theirs, config, tmp_path, capsys):
    path, state = theirs
    assert convert(path, path) == 2
    assert 'IN and OUT are the same file' in capsys.readouterr().err
    assert same(read_theirs(path), state)
    config.write_text('x = 1')
    assert convert(path, tmp_path / 'out.pth', '--config', config) == 2
    assert "has no 'model' with a backbone" in capsys.readouterr().err
    config.write_text("model = dict(type='Nothing', backbone=dict(type='None'))")
    assert convert(path, tmp_path / 'out.pth', '--config', config) == 2
    assert 'Nothing cannot be built' in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        convert(path, tmp_path / 'out.pth', '--to', 'vgg')
    assert caught.value.code == 2


def read_theirs(path):
    return safe_load(path)['state_dict']


def test_a_place_that_cannot_be_written(theirs, config, tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert convert(theirs[0], tmp_path / 'file/out.pth', '--config', config) == 1
    assert 'error: ' in capsys.readouterr().err


def test_as_a_command_the_help_teaches():
    command = [sys.executable, 'tools/model_converters/convert_checkpoint.py', '--help']
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for word in ('examples:', 'exit codes:', '--to vit-adapter', 'beit-lossy', '--no-ema'):
        assert word in result.stdout


REAL = {
    # (weights, flags; what loads them)
    'deit -> vit': ('deit', '--to vit', 'upernet_vit'),
    'deit -> vit-adapter': ('deit', '--to vit-adapter', 'upernet_vit-adapter'),
    'beit -> vit': ('beit', '', 'upernet_vit_beit'),
    'mae -> vit-rvsa': ('mae', '', 'upernet_vit-rvsa_mae'),
}


@pytest.mark.slow
@pytest.mark.parametrize('case', REAL)
def test_backbones_of_real_size(case, tmp_path):
    name, flags, leaf = REAL[case]
    state = numbered(getattr(checkpoint_cases, name)())
    torch.save(dict(model=state), tmp_path / 'in.pth')
    out = tmp_path / 'out.pth'
    assert convert(tmp_path / 'in.pth', out, *flags.split()) == 0
    register_all_modules(init_default_scope=True)
    config = Config.fromfile(ROOT / f'configs/sep/{leaf}.py').model.backbone
    config.init_cfg.checkpoint = str(out)
    backbone = MODELS.build(config)
    backbone.init_weights()
    loaded = backbone.state_dict()
    written = read(out)['state_dict']
    assert set(written) <= set(loaded)
    assert all(loaded[key].equal(value) for key, value in written.items())


@pytest.mark.slow
def test_a_released_model_of_real_size(tmp_path):
    state = numbered(released('vit_b_rvsa_upernet'))
    path, out, back = (tmp_path / f'{name}.pth' for name in ('theirs', 'ours', 'back'))
    torch.save(dict(state_dict=state, loss_pretrain=np.zeros((3, 4))), path)
    assert convert(path, out) == 0
    register_all_modules(init_default_scope=True)
    model = MODELS.build(Config.fromfile(ROOT / 'configs/sep/upernet_vit-rvsa_mae.py').model)
    load_checkpoint(model, str(out), strict=True)
    assert convert(out, back, '--to', 'authors') == 0
    again = read(back)['state_dict']
    assert len(state) - len(again) == 10
    assert all(value.equal(state[name]) for name, value in again.items())
