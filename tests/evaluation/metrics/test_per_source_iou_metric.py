import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric

from samrs_mm.core.errors import RefusedError
from samrs_mm.evaluation.metrics import PerSourceIoUMetric

META = dict(
    classes=('first', 'source'),
    sources={
        'sota': dict(classes=('a', 'b', 'c'), palette=[[0, 0, 0]] * 3),
        'fast': dict(classes=('d', 'e', 'f', 'g', 'h'), palette=[[0, 0, 0]] * 5),
    },
)


def sample_of(source, seed, top=None, path='x.png'):
    rng = np.random.default_rng(seed)
    classes = top or len(META['sources'][source]['classes'])
    truth = rng.integers(0, classes, (20, 30))
    truth[rng.random((20, 30)) < 0.3] = 255
    predicted = np.where(
        rng.random((20, 30)) < 0.5, truth % 255, rng.integers(0, classes, (20, 30))
    )
    return dict(
        source=source,
        img_path=path,
        pred_sem_seg=dict(data=torch.from_numpy(predicted % classes)[None]),
        gt_sem_seg=dict(data=torch.from_numpy(truth)[None]),
    )


def metric_of(samples, **options):
    metric = PerSourceIoUMetric(**options)
    metric.dataset_meta = META
    metric.process(None, samples)
    return metric


SAMPLES = [sample_of('sota', 0), sample_of('fast', 1), sample_of('sota', 2), sample_of('fast', 3)]


def test_each_source_equals_mmseg_on_its_own_images_and_classes():
    metric = metric_of(SAMPLES)
    assert len(metric.results) == len(SAMPLES), 'one entry per image'
    scores = metric.evaluate(len(SAMPLES))
    for source, meta in META['sources'].items():
        alone = IoUMetric()
        alone.dataset_meta = meta
        alone.process(None, [sample for sample in SAMPLES if sample['source'] == source])
        for name, value in alone.evaluate(2).items():
            assert scores[f'{source}/{name}'] == pytest.approx(value, abs=0.011)
    for name in ('mIoU', 'aAcc', 'mAcc'):
        mean = (scores[f'sota/{name}'] + scores[f'fast/{name}']) / 2
        assert scores[name] == pytest.approx(mean, abs=0.006)
    assert all(type(value) is float for value in scores.values()), 'numpy does not resume'
    assert metric.dataset_meta is META


def test_ranks_with_different_numbers_of_images():
    first, second = metric_of(SAMPLES[:1]), metric_of(SAMPLES[1:])
    together = metric_of(SAMPLES).evaluate(len(SAMPLES))
    assert first.compute_metrics(first.results + second.results) == together


def test_a_source_without_images_is_left_out():
    scores = metric_of([SAMPLES[0]]).evaluate(1)
    assert not [name for name in scores if name.startswith('fast/')]
    assert scores['mIoU'] == scores['sota/mIoU']


def test_absent_classes_are_left_out_or_count_zero():
    samples = [sample_of('fast', 5, top=4)]
    as_mmseg = metric_of(samples).evaluate(1)['fast/mIoU']
    as_authors = metric_of(samples, nan_to_num=0).evaluate(1)['fast/mIoU']
    assert as_authors == pytest.approx(as_mmseg * 4 / 5, abs=0.011)


def test_pixels_are_counted_in_float64():
    stored = metric_of(SAMPLES[:1]).results[0][1]
    assert all(area.dtype == torch.float64 for area in stored), 'float32 sums lose units'


@pytest.mark.parametrize('format_only', [False, True])
def test_predictions_are_written_by_source(tmp_path, format_only):
    samples = [sample_of('sota', 0, path='a/1.png'), sample_of('fast', 1, path='b/1.png')]
    if format_only:
        samples = [
            {key: sample[key] for key in sample if key != 'gt_sem_seg'} for sample in samples
        ]
    metric = metric_of(samples, output_dir=str(tmp_path / 'out'), format_only=format_only)
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*.png'))
    assert written == ['out/fast/1.png', 'out/sota/1.png']
    assert bool(metric.evaluate(2)) is not format_only


def test_unknown_sources_and_plain_datasets_are_refused():
    with pytest.raises(RefusedError, match=r"'potsdam' cannot be scored; .* sota, fast"):
        metric_of([SAMPLES[0] | dict(source='potsdam')])
    metric = PerSourceIoUMetric()
    metric.dataset_meta = dict(classes=('a', 'b'))
    with pytest.raises(RefusedError, match="no 'sources'; use MultiSourceDataset"):
        metric.process(None, SAMPLES[:1])
