from pathlib import Path

import pytest
import torch
from folders import ROOT
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from samrs_mm.compat import is_onedl
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.transforms import LoadWindow
from samrs_mm.engine import run_config
from samrs_mm.engine.run_config import (
    accumulation_note,
    batch_note,
    check_batch,
    check_pretrained,
    load_run_config,
    need,
)
from samrs_mm.registry import register_all

TEXT = "model = dict(backbone=dict(depth=50))\noptim_wrapper = dict(type='OptimWrapper')\nx = 3\n"


@pytest.fixture
def path(tmp_path):
    target = tmp_path / 'tiny.py'
    target.write_text(TEXT)
    return str(target)


def test_flags_are_applied(path):
    config = load_run_config(path, {'model.backbone.depth': 18, 'compile': True}, None, 'slurm')
    assert (config.model.backbone.depth, config.compile, config.launcher) == (18, True, 'slurm')
    assert config.work_dir == 'work_dirs/tiny'
    assert load_run_config(path, None, 'mine', 'none').work_dir == 'mine'
    assert load_run_config(path, {'work_dir': 'b'}, None, 'none').work_dir == 'b'


def test_the_work_dir_has_the_whole_name_of_the_config(path, tmp_path):
    Path(path).rename(tmp_path / 'tiny.v2.py')
    for name in ('tiny.v2', 'tiny.v2.py'):
        found = load_run_config(str(tmp_path / name), None, None, 'none').work_dir
        assert found == 'work_dirs/tiny.v2'


@pytest.mark.parametrize(
    ('text', 'options', 'message'),
    [
        (TEXT, {'modle.depth': 1}, "unknown key 'modle'; did you mean 'model'?"),
        (TEXT, {'zzz': 1}, "unknown key 'zzz'; keys: model, optim_wrapper, x"),
        (TEXT, {'x': 1}, "x would change nothing: 'x' served its purpose when the file was read"),
        ("resume = 'a.pth'", {'resume.y': 1}, "resume.y=1: 'resume' is not a dict in this config"),
        ('model = (', {}, 'SyntaxError'),
        ("_base_ = './none.py'", {}, 'FileNotFoundError'),
        ("default_scope = 'mmnone'", {}, "default_scope 'mmnone' cannot be imported (No module "),
    ],
)
def test_refused(path, text, options, message):
    with open(path, 'w') as file:
        file.write(text)
    with pytest.raises(RefusedError) as caught:
        load_run_config(path, options, None, 'none')
    assert message in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'meant'),
    [
        ('train_dataloder', 'train_dataloader'),
        ('optim_wraper', 'optim_wrapper'),
        ('load_form', 'load_from'),
        ('custom_import', 'custom_imports'),
        ('find_unused_parameter', 'find_unused_parameters'),
    ],
)
def test_a_misspelt_variable_of_the_file_is_told(path, capsys, name, meant):
    Path(path).write_text(
        f'{TEXT}{name} = dict(batch_size=2)\ntrain_pipeline = test_pipeline = []\n'
    )
    load_run_config(path, None, None, 'none')
    line = f'warning: config {path}: nothing reads {name!r}; did you mean {meant!r}?\n'
    assert capsys.readouterr().err == line


@pytest.mark.parametrize('rank', [0, 1])
def test_a_misspelt_variable_is_told_by_one_rank(path, capsys, monkeypatch, rank):
    Path(path).write_text(f'{TEXT}load_form = None\n')
    for launcher, name in (('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID')):
        monkeypatch.setenv(name, str(rank))
        load_run_config(path, None, None, launcher)
        assert ("nothing reads 'load_form'" in capsys.readouterr().err) == (rank == 0)
    load_run_config(path, None, None, 'none')
    assert "nothing reads 'load_form'" in capsys.readouterr().err


def test_no_shipped_config_is_told_of_a_misspelt_variable(monkeypatch, capsys):
    register_all()
    for step in ('register_all', 'check_keys', 'check_values', 'check_ops', 'check_packages'):
        monkeypatch.setattr(run_config, step, lambda *args: None)
    paths = [path for path in (ROOT / 'configs').rglob('*.py') if 'annotate' not in path.parts]
    for path in paths:
        if not is_onedl() and 'mmrotate' in Config.fromfile(path, import_custom_modules=False).text:
            continue  # which can't be imported
        load_run_config(str(path), None, None, 'none')
    assert len(paths) > 20
    assert 'nothing reads' not in capsys.readouterr().err


def test_no_such_config():
    with pytest.raises(RefusedError, match=r'config no\.py: no such file'):
        load_run_config('no.py', None, None, 'none')


def test_what_a_tool_needs():
    need(Config(dict(model={})), 'c.py', 'model')
    with pytest.raises(RefusedError, match=r"config c\.py: has no 'train_cfg', which this tool"):
        need(Config(dict(model={})), 'c.py', 'model', 'train_cfg')


def pretrained(path, **source):
    backbone = dict(type='R', init_cfg=dict(type='Pretrained', checkpoint=path))
    return Config(dict(model=dict(backbone=backbone), pretrain_source=dict(path=path, **source)))


def test_missing_weights_tell_where_they_come_from():
    with pytest.raises(RefusedError) as caught:
        check_pretrained(pretrained('pretrain/no.pth', url='https://example.org/no.pth'))
    assert str(caught.value) == (
        'pretrain/no.pth: no such file (model.backbone.init_cfg.checkpoint); get it from '
        'https://example.org/no.pth and put it there; to start from random weights give '
        '--cfg-options model.backbone.init_cfg=None'
    )


BY_CLASS = dict(type='mmengine.model.weight_init.PretrainedInit', checkpoint='no.pth')


@pytest.mark.parametrize(
    ('part', 'key', 'cure'),
    [
        (dict(pretrained='no.pth'), 'pretrained', 'pretrained'),
        (
            dict(init_cfg=BY_CLASS | dict(type='mmseg.Pretrained')),
            'init_cfg.checkpoint',
            'init_cfg',
        ),
        (dict(init_cfg=[BY_CLASS]), 'init_cfg.0.checkpoint', 'init_cfg.0'),
    ],
)
def test_missing_weights_are_found_however_they_are_named(part, key, cure):
    with pytest.raises(RefusedError) as caught:
        check_pretrained(Config(dict(model=dict(backbone=part))))
    assert str(caught.value) == (
        f'no.pth: no such file (model.backbone.{key}); to start from random weights give '
        f'--cfg-options model.backbone.{cure}=None'
    )


def test_missing_weights_tell_how_to_convert_the_released_ones(tmp_path):
    about = dict(file='released.tar', url='https://example.org')
    with pytest.raises(RefusedError) as caught:
        check_pretrained(pretrained('pretrain/no.pth', **about))
    command = 'tools/model_converters/convert_checkpoint.py'
    assert (ROOT / command).is_file()
    assert str(caught.value) == (
        'pretrain/no.pth: no such file (model.backbone.init_cfg.checkpoint); get released.tar from '
        f'https://example.org and run: python {command} pretrain/released.tar pretrain/no.pth; to '
        'start from random weights give --cfg-options model.backbone.init_cfg=None'
    )
    with pytest.raises(RefusedError, match=r'released.tar pretrain/no.pth --to vit-adapter; to '):
        check_pretrained(pretrained('pretrain/no.pth', options='--to vit-adapter', **about))
    path = str(tmp_path / 'released_as_it_is.pth')
    torch.save(dict(model={'conv1.weight': torch.zeros(1)}), path)
    with pytest.raises(RefusedError, match=r"no weight 'conv1.weight', .* get released.tar from "):
        check_pretrained(pretrained(path, keys=['conv1.weight'], **about))


def test_weights_of_another_layout(tmp_path):
    path = str(tmp_path / 'w.pth')
    torch.save(dict(state_dict={'conv1.weight': torch.zeros(1)}), path)
    check_pretrained(pretrained(path, keys=['conv1.weight']))
    check_pretrained(pretrained(path))
    with pytest.raises(RefusedError, match=r"has no weight 'stem', .* \(it has conv1.weight, "):
        check_pretrained(pretrained(path, keys=['stem']))
    torch.save(dict(model={'conv1.weight': torch.zeros(1)}), path)
    with pytest.raises(RefusedError, match=r"has no weight 'conv1.weight', .* get it from U and"):
        check_pretrained(pretrained(path, keys=['conv1.weight'], url='U'))
    with open(path, 'wb') as file:
        file.write(b'<html>')
    with pytest.raises(RefusedError, match=r'truncated, corrupt .* get it from U and'):
        check_pretrained(pretrained(path, url='U'))


def test_addresses_are_left_to_mmengine():
    check_pretrained(pretrained('torchvision://resnet50'))
    check_pretrained(Config(dict(model=[dict(init_cfg=None)], pretrain_source=None)))


def test_a_batch_that_the_learning_rate_is_not_for():
    config = Config(
        dict(
            train_dataloader=dict(batch_size=2),
            optim_wrapper={},
            auto_scale_lr=dict(enable=False, base_batch_size=8),
        )
    )
    assert batch_note(config, 4) is None
    assert batch_note(config, 2).startswith('The batch is 2 x 2 ranks = 4, the learning rate is')
    config.optim_wrapper.accumulative_counts = 2
    assert batch_note(config, 2) is None
    assert batch_note(config, 1).startswith('The batch is 2 x 1 ranks x 2 steps = 4, the learning')
    config.auto_scale_lr.enable = True
    assert batch_note(config, 1) is None
    config.pop('auto_scale_lr')
    assert batch_note(config, 1) is None


def test_accumulation_of_mmengine_is_told():
    config = Config(dict(optim_wrapper=dict(accumulative_counts=4), train_cfg=dict(max_iters=80)))
    said = accumulation_note(config)
    assert '4 batches add up to one, and 80 iterations are 20 updates' in said
    assert 'train_cfg.accumulate=4 instead keeps batch, iterations and schedule' in said
    config.optim_wrapper.pop('accumulative_counts')
    assert accumulation_note(config) is None


def upernet(size, norm='SyncBN', head='UPerHead'):
    model = dict(decode_head=dict(type=head, norm_cfg=norm and dict(type=norm)))
    return Config(dict(model=model, train_dataloader=dict(batch_size=size)))


def test_one_image_in_all_is_too_few_for_upernet(monkeypatch):
    with pytest.raises(RefusedError, match=r'batch_size=1 on 1 ranks: UPerHead .* batch_size=2'):
        check_batch(upernet(1), 1)
    with pytest.raises(RefusedError, match='on 4 ranks'):
        check_batch(upernet(1), 4)  # CPU processes don't share their batch norms
    config = upernet(2)
    config.train_cfg = dict(accumulate=2)
    with pytest.raises(RefusedError, match=r'=2 on 1 ranks with .*accumulate=2: .*batch_size=4'):
        check_batch(config, 1)
    for parts in (0, -1, '2', None):  # the loop says what is wrong
        config = upernet(2)
        config.train_cfg = dict(accumulate=parts)
        check_batch(config, 1)
    for config in (upernet(2), upernet(1, norm='GN'), upernet(1, norm=None), upernet(1, 'BN', 'X')):
        check_batch(config, 1)
    monkeypatch.setattr(run_config, 'get_device', lambda: 'cuda')
    check_batch(upernet(1), 4)
    with pytest.raises(RefusedError, match='on 1 ranks'):
        check_batch(upernet(1), 1)


@pytest.mark.parametrize('leaf', ['sep/upernet_resnet50', 'potsdam/unet_resnet50_imp_potsdam'])
def test_the_reader_of_test_images_is_ours(leaf):
    """By its scope; mmcv's reader of that name reads no labels."""
    config = load_run_config(str(ROOT / f'configs/{leaf}.py'), {}, None, 'none')
    init_default_scope('mmseg')
    for pipeline in (config.test_pipeline, config.test_dataloader.dataset.pipeline):
        assert type(Compose(pipeline).transforms[0]) is LoadWindow
