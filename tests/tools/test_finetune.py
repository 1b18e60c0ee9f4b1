"""Fine-tuning by the tools: from SEP's weights, with few samples, every kind of network."""

import json
import math
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from folders import ROOT, load_tool
from mmengine.config import Config
from PIL import Image
from samrs_folders import write_annotated
from tile_folders import CLASSES, SPLITS, write_tiles
from training_runs import run_tool

from samrs_mm.core.classes import FAST_CLASSES, SIOR_CLASSES, SOTA_CLASSES

SOURCES = dict(sota=SOTA_CLASSES, sior=SIOR_CLASSES, fast=FAST_CLASSES)
TINY_BACKBONE = (
    'model.backbone.depth=18',
    'model.backbone.base_channels=4',
    'model.decode_head.in_channels=4,8,16,32',
)
TINY = dict(
    upernet=(*TINY_BACKBONE, 'model.decode_head.channels=8'),
    unet=(*TINY_BACKBONE, 'model.decode_head.decoder_channels=16,8,8,8'),
)
ONE_OF_A_KIND = (
    'unet_resnet50_imp_isaid',
    'upernet_resnet50_imp_potsdam',
    'upernet_swin_imp_isaid',
    'upernet_vitae_imp_potsdam',
    'upernet_internimage_imp_isaid',
    'upernet_vit_imp_potsdam',
    'upernet_vit_beit_potsdam',
    'upernet_vit-adapter_imp_potsdam',
    'upernet_vit-rvsa_mae_potsdam',
    'mask2former_resnet50_imp_potsdam',
)


def config(name):
    return str(ROOT / f'configs/{"isaid" if "isaid" in name else "potsdam"}/{name}.py')


def options(crop=64, batch=2, sources=0):
    """Small crops and batches, two iterations, no workers; all else is the config's."""
    loaders = ('train', 'val') if sources else ('train', 'val', 'test')
    yield from (
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'default_hooks.logger.interval=1',
        f'train_dataloader.sampler.batch_size={batch}',
    )
    for loader in loaders:
        yield f'{loader}_dataloader.batch_size={batch}'
        yield f'{loader}_dataloader.num_workers=0'
        yield f'{loader}_dataloader.persistent_workers=False'
    parts = [f'datasets.{number}.' for number in range(sources)] or ['']
    for loader in ('train', 'val') if sources else ('train',):
        for part in parts:
            yield f'{loader}_dataloader.dataset.{part}pipeline.0.crop.crop_size={crop},{crop}'
    if not sources:
        yield f'model.test_cfg.crop_size={crop},{crop}'
        yield f'model.test_cfg.stride={crop * 2 // 3},{crop * 2 // 3}'


def run(root, tool, *argv, ranks=1):
    codes, said = run_tool(tool, list(map(str, argv)), root / 'log', ranks, folder=root)
    assert codes == [0] * ranks, said[-3000:]
    return said


def scalars(work):
    [path] = work.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A folder with data where the configs look for them."""
    root = tmp_path_factory.mktemp('finetune')
    for data, splits in SPLITS.items():
        for seed, split in enumerate(splits):
            scenes = [f'{split}{number}' for number in range(3 if split == 'train' else 2)]
            write_tiles(root / 'data' / data / split, data, scenes, seed=seed)
    return root


@pytest.fixture(scope='module')
def pretrained(root):
    """The exported weights of two iterations of SEP."""
    for source, classes in SOURCES.items():
        folder = root / 'data/samrs' / source
        folder.mkdir(parents=True)
        stems = [f'0000{number}' for number in range(1, 5)]
        write_annotated(folder, stems, classes)
        for name in ('train', 'val'):
            (folder / f'{name}.txt').write_text('\n'.join(stems))
    sep = ROOT / 'configs/sep/upernet_resnet50_scratch.py'
    changes = [*TINY['upernet'], *options(batch=4, sources=3)]
    run(root, 'train', sep, '--work-dir', root / 'work/sep', '--cfg-options', *changes)
    return torch.load(root / 'pretrain/sep/upernet_resnet50_scratch.pth', weights_only=True)


@pytest.fixture(scope='module')
def tuned(root, pretrained):
    """Work dir and log of fine-tuning from there, with a learning rate of 0.

    There is nothing to resume yet: --resume begins as the config says.
    """
    changes = [*TINY['upernet'], *options(), 'optim_wrapper.optimizer.lr=0',
               'param_scheduler.0.eta_min=0']  # fmt: skip
    work = root / 'work/potsdam'
    said = run(
        root, 'train', config('upernet_resnet50_sep_potsdam'), '--work-dir', work, '--resume',
        '--cfg-options', *changes,
    )  # fmt: skip
    return work, said


def test_fine_tuning_takes_over_all_of_backbone_and_trunk(pretrained, tuned):
    work, said = tuned
    before = pretrained['state_dict']
    after = torch.load(work / 'iter_2.pth', weights_only=True)['state_dict']
    parts = [
        sum(name.startswith(part) for name in before) for part in ('backbone.', 'decode_head.')
    ]
    [line] = [line for line in said.splitlines() if 'upernet_resnet50_scratch.pth: ' in line]
    assert '(backbone {0} of {0}, trunk {1} of {1})'.format(*parts) in line
    assert 'new: decode_head.conv_seg' in line
    assert 'not used: heads.fast, heads.sior, heads.sota' in line
    shared = [name for name in before if not name.startswith('heads.')]
    assert after.keys() - shared == {'decode_head.conv_seg.weight', 'decode_head.conv_seg.bias'}
    learnt = [
        name for name in shared if not name.endswith(('_mean', '_var', 'num_batches_tracked'))
    ]
    assert len(learnt) > 60
    assert all(torch.equal(after[name], before[name]) for name in learnt)


def test_it_goes_on_from_its_own_checkpoint(root, tuned, tmp_path):
    before, said = tuned
    work = shutil.copytree(before, tmp_path / 'work')
    assert 'The batch is 2 x 1 ranks = 2, the learning rate is for 8' in said
    more = run(
        root, 'train', config('upernet_resnet50_sep_potsdam'), '--work-dir', work, '--resume',
        '--cfg-options', *TINY['upernet'], *options(batch=8), 'train_cfg.max_iters=3',
    )  # fmt: skip
    assert 'pretrain/sep' not in more.rpartition('iter_2.pth: ')[2]
    assert 'the learning rate is for' not in more
    assert torch.load(work / 'iter_3.pth', weights_only=True)['meta']['iter'] == 3


def test_it_scores_in_training(tuned):
    lines = scalars(tuned[0])
    losses = [line['loss'] for line in lines if 'loss' in line]
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
    assert {'OA', 'mF1', 'mIoU'} <= lines[-1].keys()


@pytest.mark.parametrize(
    ('flags', 'metric'),
    [([], 'SegScoreMetric'), (['--tta'], 'SceneScoreMetric'),
     (['--tta', 'multi_scale'], 'SegScoreMetric')],
)  # fmt: skip
def test_the_ways_to_test(root, tuned, tmp_path, flags, metric):
    run(
        root, 'test', config('upernet_resnet50_sep_potsdam'), tuned[0] / 'iter_2.pth',
        '--work-dir', tmp_path / 'work', '--out', tmp_path / 'out', *flags, '--cfg-options',
        *TINY['upernet'], *options(), f'test_evaluator.type={metric}',
    )  # fmt: skip
    scores = json.loads((tmp_path / 'out/metrics.json').read_text())
    assert 0 <= scores['mF1'] <= 100
    assert {f'F1/{name}' for name in CLASSES['potsdam']} >= {k for k in scores if k[:3] == 'F1/'}
    maps = list((tmp_path / 'out/predictions').iterdir())
    assert len(maps) == 2 * 4
    assert {np.asarray(Image.open(path)).shape for path in maps} == {(64, 64)}


def test_scenes_score_the_same_on_two_ranks(root, tuned, tmp_path):
    """8 tiles in batches of 3: the ranks don't have equally many batches of a scene."""
    scores = []
    for ranks in (1, 2):
        out = tmp_path / str(ranks)
        run(
            root, 'test', config('upernet_resnet50_sep_potsdam'), tuned[0] / 'iter_2.pth',
            '--work-dir', tmp_path / 'work', '--out', out, '--cfg-options', *TINY['upernet'],
            *options(batch=3), 'test_evaluator.type=SceneScoreMetric', ranks=ranks,
        )  # fmt: skip
        scores.append(json.loads((out / 'metrics.json').read_text()))
    first, second = (score.pop('run') for score in scores)
    assert first == second
    # per cent; a batch of three rounds other than one of one, which may decide a tie
    assert scores[0] == pytest.approx(scores[1], abs=0.05)


def test_a_tta_that_the_config_lacks(root, tuned, capsys):
    argv = [config('upernet_resnet50_sep_potsdam'), str(tuned[0] / 'iter_2.pth'), '--tta', 'many']
    assert load_tool('test').main(argv) == 2
    [error] = capsys.readouterr().err.splitlines()
    assert "no 'many_tta_pipeline'" in error
    assert '--tta multi_scale' in error


def test_few_samples(tmp_path):
    """12 tiles, of which 5 % is one; no other is opened."""
    for split in SPLITS['potsdam']:
        write_tiles(tmp_path / 'data/potsdam' / split, 'potsdam', ['a', 'b', 'c'])
    train = tmp_path / 'data/potsdam/train'
    tool = load_tool('dataset_converters/make_splits')
    assert tool.main([str(train), '--fraction', '0.05']) == 0
    [stem] = (train / 'train_5pct.txt').read_text().split()
    for image in (train / 'images').iterdir():
        if image.stem != stem:
            image.write_bytes(b'')
    run(
        tmp_path, 'train', config('unet_resnet50_imp_potsdam-5pct'), '--work-dir', tmp_path / 'w',
        '--cfg-options', *TINY['unet'], *options(), 'model.backbone.init_cfg=None',
    )  # fmt: skip
    assert 'mF1' in scalars(tmp_path / 'w')[-1]


def test_held_out_scenes_watch_a_run(tmp_path):
    """By the options of docs/finetune.md; the test tiles aren't even there."""
    train = tmp_path / 'data/potsdam/train'
    write_tiles(train, 'potsdam', [f's{number}' for number in range(6)])
    assert load_tool('dataset_converters/make_splits').main([str(train), '--val', '0.3']) == 0
    run(
        tmp_path, 'train', config('unet_resnet50_imp_potsdam'), '--work-dir', tmp_path / 'w',
        '--cfg-options', *TINY['unet'], *options(), 'model.backbone.init_cfg=None',
        'train_dataloader.dataset.ann_file=train.txt', 'val_dataloader.dataset.ann_file=val.txt',
        'val_dataloader.dataset.data_root=data/potsdam/train',
    )  # fmt: skip
    assert 'mF1' in scalars(tmp_path / 'w')[-1]
    assert (tmp_path / 'w/best_mIoU_iter_2.pth').exists()
    drawn = {path.stem for path in (tmp_path / 'w/pictures').rglob('*.png')}
    assert drawn == set((train / 'val.txt').read_text().split())
    dumped = Config.fromfile(tmp_path / 'w/unet_resnet50_imp_potsdam.py')
    assert dumped.test_dataloader.dataset.data_root == 'data/potsdam/test'


def test_without_the_weights_of_sep(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert load_tool('train').main([config('upernet_vitae_imp-sep_potsdam')]) == 2
    [error] = capsys.readouterr().err.splitlines()
    assert error.startswith(
        'error: train_dataloader.dataset.data_root: no such folder: data/potsdam/train, data/pots'
    )
    assert 'python tools/dataset_converters/prepare_potsdam.py DIR --out data/potsdam' in error
    assert '; ALSO checkpoint pretrain/sep/upernet_vitae.pth: No such file' in error
    assert 'tools/train.py configs/sep/upernet_vitae.py' in error
    assert 'tools/model_converters/convert_checkpoint.py' in error
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
@pytest.mark.parametrize('name', ONE_OF_A_KIND)
def test_trains_and_scores_at_its_real_size(root, name):
    """The largest, on ViT-Adapter, takes 4.4 GB."""
    work = root / 'work' / name
    argv = [config(name), '--work-dir', work, '--cfg-options', *options(crop=128),
            'model.backbone.init_cfg=None', 'default_hooks.checkpoint.save_last=False',
            'default_hooks.checkpoint.save_best=None']  # fmt: skip
    env = os.environ | dict(PYTHONPATH=str(ROOT), CUDA_VISIBLE_DEVICES='-1')
    done = subprocess.run(
        [sys.executable, ROOT / 'tools/train.py', *argv], cwd=root, env=env,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    lines = scalars(work)
    losses = [line['loss'] for line in lines if 'loss' in line]
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
    assert math.isfinite(lines[-1]['mIoU'])
