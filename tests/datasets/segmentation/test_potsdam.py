import numpy as np
import pytest
from benchmark_folders import write_potsdam
from folders import ROOT, load_tool
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.datasets import PotsdamDataset
from mmseg.registry import DATASETS, METRICS
from mmseg.structures import SegDataSample

import samrs_mm.datasets.samplers
import samrs_mm.datasets.segmentation.potsdam
import samrs_mm.datasets.transforms
import samrs_mm.evaluation.metrics  # noqa: F401

CONFIG = ROOT / 'configs/_base_/datasets/potsdam.py'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """What the preparing tool makes of three small scenes."""
    root = tmp_path_factory.mktemp('potsdam')
    write_potsdam(root / 'raw', ('2_10', '6_7', '2_13'), (600, 520))
    tool = load_tool('dataset_converters/prepare_potsdam')
    argv = [str(root / 'raw'), '--out', str(root / 'data/potsdam'), '--partial', '--workers', '0']
    assert tool.main(argv) == 0
    return root


def test_its_classes_are_the_papers_five_with_their_colours():
    dataset = DATASETS.get('Potsdam5Dataset')
    theirs = PotsdamDataset.METAINFO
    assert dataset.METAINFO['classes'] == theirs['classes'][:5]
    assert dataset.METAINFO['palette'] == theirs['palette'][:5]
    assert dataset.METAINFO['palette'][2] == [0, 255, 255], "not the authors' second blue"
    assert DATASETS.get('PotsdamDataset') is PotsdamDataset


def test_the_config_reads_what_the_tool_made(root, monkeypatch):
    monkeypatch.chdir(root)
    config = Config.fromfile(CONFIG)
    config.train_dataloader.update(batch_size=4, num_workers=0, persistent_workers=False)
    config.train_dataloader.sampler.batch_size = 4
    loader = Runner.build_dataloader(config.train_dataloader)
    assert len(loader.dataset) == 8
    batch = next(iter(loader))
    assert [tuple(image.shape) for image in batch['inputs']] == [(3, 512, 512)] * 4
    labels = np.stack([sample.gt_sem_seg.data[0].numpy() for sample in batch['data_samples']])
    assert set(np.unique(labels)) == {0, 1, 2, 3, 4, 255}
    config.test_dataloader.update(num_workers=0, persistent_workers=False)
    test = Runner.build_dataloader(config.test_dataloader)
    (batch,) = list(test)
    assert len(batch['inputs']) == 4
    metric = METRICS.build(config.test_evaluator)
    metric.dataset_meta = test.dataset.metainfo
    metric.process(batch, [perfect(sample) for sample in batch['data_samples']])
    scores = metric.evaluate(4)
    assert scores['mF1'] == scores['OA'] == scores['mIoU'] == 100
    assert scores['F1/low_vegetation'] == 100


def perfect(sample: SegDataSample) -> dict:
    truth = sample.gt_sem_seg.data
    return dict(
        pred_sem_seg=dict(data=truth.where(truth != 255, 0)),
        gt_sem_seg=dict(data=truth),
        img_path=sample.img_path,
    )


def test_a_few_samples_by_list(root):
    tool = load_tool('dataset_converters/make_splits')
    train = root / 'data/potsdam/train'
    assert tool.main([str(train), '--fraction', '0.5', '0.25']) == 0
    few = {
        percent: DATASETS.build(
            dict(type='Potsdam5Dataset', data_root=str(train), ann_file=f'train_{percent}pct.txt')
        )
        for percent in (50, 25)
    }
    paths = {percent: {info['img_path'] for info in few[percent]} for percent in few}
    assert [len(paths[50]), len(paths[25])] == [4, 2]
    assert paths[25] < paths[50]


def test_validation_held_out_by_scene(root):
    tool = load_tool('dataset_converters/make_splits')
    train = root / 'data/potsdam/train'
    for seed in range(20):
        argv = [str(train), '--val', '0.5', '--overwrite', '--seed', str(seed)]
        if tool.main(argv) == 0:
            break
    scenes = [
        {name.split('__')[0] for name in (train / f'{side}.txt').read_text().split()}
        for side in ('train', 'val')
    ]
    assert sorted(map(len, scenes)) == [1, 1]
    assert not scenes[0] & scenes[1]
