import numpy as np
import pytest
from benchmark_folders import write_isaid
from folders import ROOT, load_tool
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.datasets import iSAIDDataset
from mmseg.registry import DATASETS, METRICS

import samrs_mm.datasets.samplers
import samrs_mm.datasets.segmentation.isaid
import samrs_mm.datasets.transforms
import samrs_mm.evaluation.metrics  # noqa: F401

CONFIG = ROOT / 'configs/_base_/datasets/isaid.py'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """What the preparing tool makes of three small scenes."""
    root = tmp_path_factory.mktemp('isaid')
    sizes = {'train/P0000': (900, 300), 'train/P0001': (200, 200), 'val/P0002': (250, 300)}
    write_isaid(root / 'raw', sizes)
    tool = load_tool('dataset_converters/prepare_isaid')
    argv = [str(root / 'raw'), '--out', str(root / 'data/isaid'), '--partial', '--workers', '0']
    assert tool.main(argv) == 0
    return root


def test_its_classes_are_mmsegs():
    ours = DATASETS.get('ISAIDTilesDataset')
    assert dict(ours.METAINFO) == dict(iSAIDDataset.METAINFO)
    assert DATASETS.get('iSAIDDataset') is iSAIDDataset


def test_the_config_reads_what_the_tool_made(root, monkeypatch):
    monkeypatch.chdir(root)
    config = Config.fromfile(CONFIG)
    config.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    config.train_dataloader.sampler.batch_size = 2
    loader = Runner.build_dataloader(config.train_dataloader)
    assert len(loader.dataset) == 3
    batch = next(iter(loader))
    assert [tuple(image.shape) for image in batch['inputs']] == [(3, 896, 896)] * 2
    config.test_dataloader.update(num_workers=0, persistent_workers=False)
    test = Runner.build_dataloader(config.test_dataloader)
    (batch,) = list(test)
    truth = batch['data_samples'][0].gt_sem_seg.data
    assert set(np.unique(truth)) == {*range(16), 255}
    metric = METRICS.build(config.test_evaluator)
    metric.dataset_meta = test.dataset.metainfo
    # all background and padding is right, nothing else is
    predicted = truth.where(truth == 0, 1)
    metric.process(
        batch, [dict(pred_sem_seg=dict(data=predicted), gt_sem_seg=dict(data=truth), img_path='x')]
    )
    scores = metric.evaluate(1)
    counts = np.bincount(truth.flatten().numpy(), minlength=16)[:16]
    assert scores['OA'] == pytest.approx(100 * counts[1] / counts[1:].sum(), abs=1e-4)
    assert scores['IoU/ship'] == pytest.approx(100 * counts[1] / counts[1:].sum(), abs=1e-4)
    assert scores['mIoU'] == pytest.approx(scores['IoU/ship'] / 15, abs=1e-4)
    assert scores['IoU/background'] == 100
