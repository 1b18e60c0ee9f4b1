"""The project's main config, by the tool: without its weights, and for two iterations."""

import json
import math
from pathlib import Path

import pytest
import torch
from folders import ROOT, load_tool
from samrs_folders import write_annotated
from training_runs import run_tool

from samrs_mm.core.classes import FAST_CLASSES, SIOR_CLASSES, SOTA_CLASSES

CONFIG = str(ROOT / 'configs/sep/upernet_vitae.py')
SOURCES = dict(sota=SOTA_CLASSES, sior=SIOR_CLASSES, fast=FAST_CLASSES)
STEMS = ('00001', '00002', '00003')


def test_without_its_weights_it_says_where_to_get_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert load_tool('train').main([CONFIG]) == 2
    [error] = capsys.readouterr().err.splitlines()
    assert error.startswith('error: train_dataloader.dataset.datasets.0.data_root: no such folder')
    assert 'pretrain/imp_vitae.pth: no such file' in error
    assert 'https://github.com/ViTAE-Transformer/ViTAE-Transformer' in error
    assert '--cfg-options model.backbone.init_cfg=None' in error
    assert not [*tmp_path.iterdir()]


def options(root, batch):
    """Small folders and crops; everything else is the config's."""
    yield from (
        f'default_hooks.export.path={root}/sep.pth',
        'default_hooks.checkpoint.save_best=None',
        'default_hooks.checkpoint.save_last=False',
        'default_hooks.logger.interval=1',
        'model.backbone.init_cfg=None',
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        f'train_dataloader.sampler.batch_size={batch}',
    )
    for loader, size in (('train_dataloader', batch), ('val_dataloader', 2)):
        yield from (
            f'{loader}.batch_size={size}',
            f'{loader}.num_workers=0',
            f'{loader}.persistent_workers=False',
        )
        for number, source in enumerate(SOURCES):
            dataset = f'{loader}.dataset.datasets.{number}'
            yield f'{dataset}.data_root={root}/{source}'
            yield f'{dataset}.pipeline.0.crop.crop_size=64'


@pytest.mark.parametrize('ranks', [1, 2])
def test_it_trains(tmp_path, ranks):
    """Also over two ranks, where a weight that got no gradient would be an error."""
    for source, classes in SOURCES.items():
        folder = tmp_path / source
        write_annotated(folder, STEMS, classes)
        (folder / 'train.txt').write_text('\n'.join(STEMS))
        (folder / 'val.txt').write_text(STEMS[0])
    changes = options(tmp_path, 4 // ranks)
    argv = [CONFIG, '--work-dir', str(tmp_path / 'work'), '--cfg-options', *changes]
    codes, log = run_tool('train', argv, tmp_path / 'log', ranks)
    assert codes == [0] * ranks, log[-3000:]
    [path] = Path(tmp_path, 'work').glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    losses = [line['loss'] for line in lines if 'loss' in line]
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
    assert {f'{source}/mIoU' for source in SOURCES} <= lines[-1].keys()
    weights = torch.load(tmp_path / 'sep.pth', weights_only=True)['state_dict']
    assert all(weight.isfinite().all() for weight in weights.values())
    trained = weights['backbone.layers.3.NC.1.PCM.1.num_batches_tracked']
    assert trained == 2
