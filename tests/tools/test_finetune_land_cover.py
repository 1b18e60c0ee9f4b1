"""LoveDA, Vaihingen and DeepGlobe as downloaded: laid out by their tools, trained on, scored."""

import re
import runpy
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
from benchmark_folders import write_deepglobe, write_loveda, write_vaihingen
from folders import ROOT, load_tool
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from training_runs import run_tool

from samrs_mm.registry import register_all

CONVERTERS = Path(mmseg.__file__).parent / '.mim/tools/dataset_converters'
LOADERS = [f'{loader}_dataloader' for loader in ('train', 'val', 'test')]
SMALL = (
    'model.backbone.depth=18', 'model.backbone.base_channels=4', 'model.backbone.init_cfg=None',
    'model.decode_head.in_channels=4,8,16,32', 'model.decode_head.channels=8',
    'model.test_cfg.crop_size=256,256', 'model.test_cfg.stride=256,256', 'train_cfg.max_iters=2',
    'train_cfg.val_interval=2', 'default_hooks.logger.interval=1',
    'train_dataloader.dataset.pipeline.0.crop.crop_size=64,64',
    *(f'{loader}.{key}' for loader in LOADERS
      for key in ('batch_size=2', 'num_workers=0', 'persistent_workers=False')),
)  # fmt: skip


def convert(name, monkeypatch, *argv):
    monkeypatch.setattr(sys, 'argv', [name, *map(str, argv)])
    runpy.run_path(str(CONVERTERS / f'{name}.py'), run_name='__main__')


def loveda(root, monkeypatch):
    written = write_loveda(root / 'raw')
    convert('loveda', monkeypatch, root / 'raw', '-o', root / 'data/loveDA')
    return lambda stem: (written[stem].astype(int) - 1) % 256


def vaihingen(root, monkeypatch):
    written = write_vaihingen(root / 'raw', (1, 3, 2, 4))
    convert('vaihingen', monkeypatch, root / 'raw', '-o', root / 'data/vaihingen')

    def truth(stem):
        area, *corners = stem.split('_')
        left, top, right, bottom = map(int, corners)
        return (written[area][top:bottom, left:right].astype(int) - 1) % 256

    return truth


def deepglobe(root, monkeypatch):
    written = write_deepglobe(root / 'raw', map(str, range(100, 108)))
    argv = [root / 'raw', '--out', root / 'data/deepglobe', '--partial', '--workers', 0]
    tool = load_tool('dataset_converters/prepare_deepglobe')
    assert tool.main([str(each) for each in argv]) == 0

    def truth(stem):
        scene, _, place = stem.partition('__612__')
        left, top = map(int, place.split('___'))
        return written[scene][top : top + 612, left : left + 612]

    return truth


@pytest.mark.parametrize(
    ('layout', 'classes', 'score'),
    [
        (loveda, 7, 'IoU/agricultural'),
        (vaihingen, 6, 'F1/car'),
        (deepglobe, 6, 'IoU/rangeland'),
    ],
    ids=lambda value: getattr(value, '__name__', ''),
)
def test_a_download_is_laid_out_trained_on_and_scored(
    tmp_path, monkeypatch, layout, classes, score
):
    truth = layout(tmp_path, monkeypatch)
    name = f'upernet_resnet50_imp_{layout.__name__}'
    path = ROOT / f'configs/{layout.__name__}/{name}.py'
    monkeypatch.chdir(tmp_path)
    register_all()
    init_default_scope('mmseg')
    entry = Config.fromfile(path).val_dataloader.dataset
    dataset = DATASETS.build(entry)
    assert len(dataset.metainfo['classes']) == classes
    for sample in (item['data_samples'] for item in dataset):
        label = sample.gt_sem_seg.data[0].numpy()
        np.testing.assert_array_equal(label, truth(Path(sample.img_path).stem)[: label.shape[0]])
        assert {*np.unique(label)} == {*range(classes), 255}
    codes, said = run_tool(
        'train', [str(path), '--work-dir', 'work', '--cfg-options', *SMALL], tmp_path / 'log',
        folder=tmp_path,
    )  # fmt: skip
    assert codes == [0], said[-3000:]
    losses = [float(loss) for loss in re.findall(r'  loss: ([\d.]+)', said)]
    assert len(losses) == 2
    assert all(0.5 < loss < 9 for loss in losses)
    assert f'{score}: ' in said
