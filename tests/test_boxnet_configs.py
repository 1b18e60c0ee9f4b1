"""The mask maker's configs, and short runs of them by ``tools/train.py``."""

import re

import pytest
import torch
from config_rules import PRIMITIVE, load, read_entry
from folders import ROOT, load_tool
from mmengine.config import Config
from object_sets import write_coco

from samrs_mm.models.boxnet.network import BoxNet
from samrs_mm.models.boxnet.weights import load_weights

train = load_tool('train').main
FOLDER = ROOT / 'configs/boxnet'
TINY = [
    'model.widths=(8,16)',
    'train_dataloader.num_workers=0',
    'train_dataloader.batch_size=4',
    'train_dataloader.dataset.sides=((0,32),(8,48))',
    'train_dataloader.dataset.length=16',
    'val_dataloader.batch_size=4',
    'val_dataloader.dataset.length=8',
    'val_dataloader.dataset.sides=((0,32),)',
    'train_cfg.max_iters=4',
    'train_cfg.val_interval=2',
    'default_hooks.checkpoint.interval=2',
]


@pytest.mark.parametrize('leaf', sorted(FOLDER.glob('*.py')), ids=lambda path: path.stem)
def test_leaves_keep_the_rules(leaf, tmp_path):
    assert len(leaf.read_text(encoding='utf-8').splitlines()) <= PRIMITIVE
    cfg = load(leaf)
    assert not re.findall(r"'(?:/|~)[\w/.-]+'", cfg.pretty_text), 'absolute paths'
    (tmp_path / 'dumped.py').write_text(cfg.pretty_text)
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == cfg.to_dict()
    assert cfg.custom_hooks == [], 'left to users; ours stand in default_hooks'
    assert cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters
    assert cfg.default_hooks.checkpoint.interval <= cfg.train_cfg.max_iters // 4
    entry = read_entry(leaf)
    assert entry['Config'] == f'configs/boxnet/{leaf.name}'
    network = BoxNet(cfg.model.widths or load(FOLDER / 'boxnet_s.py').model.widths)
    assert entry['Metadata']['Parameters'] == sum(each.numel() for each in network.parameters())
    assert f'[{leaf.stem}]({leaf.name})' in leaf.with_name('README.md').read_text()


def test_crops_change_their_side_between_two_batches():
    cfg = load(FOLDER / 'boxnet_s.py')
    data, batch = cfg.train_dataloader.dataset, cfg.train_dataloader.batch_size
    assert data.length == cfg.train_cfg.max_iters * batch
    assert all(place % batch == 0 for place, _ in data.sides)
    assert data.seed != cfg.val_dataloader.dataset.seed


def run(folder, *options):
    argv = [str(FOLDER / 'boxnet_s.py'), '--work-dir', str(folder), '--cfg-options', *TINY]
    assert train([*argv, *options]) == 0
    return torch.load(folder / 'iter_4.pth', weights_only=True)


@pytest.fixture(scope='module')
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp('first')
    return folder, run(folder)


def test_two_runs_of_a_seed_give_equal_weights(first, tmp_path):
    _, wanted = first
    found = run(tmp_path)
    for part in ('state_dict', 'ema_state_dict'):
        assert wanted[part].keys() == found[part].keys()
        for name, value in wanted[part].items():
            assert torch.equal(value, found[part][name]), name
    other = run(tmp_path / 'other', 'randomness.seed=5')
    assert any(not torch.equal(v, other['state_dict'][k]) for k, v in wanted['state_dict'].items())


def test_the_best_weights_can_be_loaded(first):
    folder, _ = first
    network, info = load_weights(folder / 'boxnet_s.safetensors')
    assert network.widths == (8, 16)
    assert info.recipe['config'] == 'boxnet_s'
    assert info.recipe['validation']['mIoU'] > 0
    assert info.temperature != 1


def test_a_stopped_run_ends_as_one_that_was_not(first, tmp_path):
    run_half = [*TINY, 'train_cfg.max_iters=2', 'param_scheduler.1.end=16000']
    argv = [str(FOLDER / 'boxnet_s.py'), '--work-dir', str(tmp_path)]
    assert train([*argv, '--cfg-options', *run_half]) == 0
    assert train([*argv, '--resume', '--cfg-options', *TINY]) == 0
    found = torch.load(tmp_path / 'iter_4.pth', weights_only=True)
    for name, value in first[1]['state_dict'].items():
        assert torch.equal(value, found['state_dict'][name]), name


@pytest.fixture(scope='module')
def own(tmp_path_factory):
    def bare(content):
        content['annotations'][0]['segmentation'] = []

    return write_coco(tmp_path_factory.mktemp('own') / 'set', change=bare)


def finetune(first, own, folder, *options):
    tiny = [
        f'model.checkpoint={first[0] / "boxnet_s.safetensors"}',
        f'masks.data_root={own}',
        'masks.side=32',
        'train_dataloader.dataset.datasets.1.sides=((0,32),)',
        'train_dataloader.num_workers=0',
        'train_dataloader.batch_size=4',
        'train_cfg.max_iters=6',
        'train_cfg.val_interval=3',
        'param_scheduler.0.end=1',
    ]
    argv = [str(FOLDER / 'boxnet_s_finetune.py'), '--work-dir', str(folder), '--cfg-options', *tiny]
    return train([*argv, *options])


def log_of(folder):
    return next(folder.glob('*/*.log')).read_text()


def test_own_masks_teach_it(first, own, tmp_path):
    assert finetune(first, own, tmp_path, 'optim_wrapper.optimizer.lr=3e-3') == 0
    network, info = load_weights(tmp_path / 'boxnet_s_finetune.safetensors')
    assert network.widths == (8, 16)
    assert info.recipe['config'] == 'boxnet_s_finetune'
    log = log_of(tmp_path)
    assert 'before and after:' in log
    assert 'masks of 2 images to learn from' in log
    assert 'labels not looked at' not in log
    assert 'masks of 1 image held out' in log
    assert '1 left out: annotations.json:annotations[0]: it has no mask' in log


def test_what_is_not_better_is_not_written(first, own, tmp_path, capsys):
    assert finetune(first, own, tmp_path, 'optim_wrapper.optimizer.lr=0.0') == 1
    assert not (tmp_path / 'boxnet_s_finetune.safetensors').exists()
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith('error: no weights were written: none of them beat mIoU')


def test_a_new_run_puts_the_weights_of_an_earlier_one_aside(first, own, tmp_path):
    (tmp_path / 'boxnet_s_finetune.safetensors').write_bytes(b'earlier')
    assert finetune(first, own, tmp_path, 'optim_wrapper.optimizer.lr=0.0') == 1
    assert not (tmp_path / 'boxnet_s_finetune.safetensors').exists()
    assert (tmp_path / 'earlier_1/boxnet_s_finetune.safetensors').read_bytes() == b'earlier'
    assert f'What an earlier run left is in {tmp_path}/earlier_1 now' in log_of(tmp_path)


def test_a_folder_that_is_not_there_is_answered_by_the_key_to_give(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert train(['boxnet/boxnet_s_finetune']) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith('error: masks.data_root: no such folder: data/own; give yours: ')
    assert '--cfg-options masks.data_root=DIR; or try drawn data: ' in error
    assert 'configs/examples/boxnet_demo.py' in error
    assert error.endswith('docs/mask_maker.md')


def test_a_single_mask_is_refused_in_one_line(first, tmp_path, capsys):
    own = write_coco(tmp_path / 'one', counts=(1,))
    assert finetune(first, own, tmp_path / 'run') == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert '1 usable mask; at least 2 are needed' in last
