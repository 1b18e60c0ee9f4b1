import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric
from PIL import Image
from sklearn import metrics as sk

from samrs_mm.core.errors import RefusedError
from samrs_mm.evaluation.metrics import SegScoreMetric

META = dict(classes=('background', 'ship', 'plane', 'tank'))


def sample_of(seed, top=4, path='x.png'):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, top, (20, 30))
    predicted = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, top, truth.shape))
    truth[rng.random(truth.shape) < 0.2] = 255
    return dict(
        img_path=path,
        pred_sem_seg=dict(data=torch.from_numpy(predicted)[None]),
        gt_sem_seg=dict(data=torch.from_numpy(truth)[None]),
    )


SAMPLES = [sample_of(seed) for seed in range(4)]


def metric_of(samples=SAMPLES, meta=META, **options):
    metric = SegScoreMetric(**options)
    metric.dataset_meta = meta
    metric.process(None, samples)
    return metric


def pixels(samples):
    truth, predicted = (
        torch.cat([s[key]['data'].flatten() for s in samples]).numpy()
        for key in ('gt_sem_seg', 'pred_sem_seg')
    )
    return truth[truth != 255], predicted[truth != 255]


def test_all_classes_equal_scikit_learn_and_mmseg():
    metric = metric_of(classwise=('F1', 'IoU'))
    assert len(metric.results) == len(SAMPLES), 'one entry per image'
    scores = metric.evaluate(len(SAMPLES))
    truth, predicted = pixels(SAMPLES)
    f1 = 100 * sk.f1_score(truth, predicted, average=None)
    assert scores['mF1'] == pytest.approx(f1.mean(), abs=1e-4)
    assert scores['F1/plane'] == pytest.approx(f1[2], abs=1e-4)
    iou = 100 * sk.jaccard_score(truth, predicted, average=None)
    assert [scores[f'IoU/{name}'] for name in META['classes']] == pytest.approx(iou, abs=1e-4)
    assert scores['OA'] == pytest.approx(100 * sk.accuracy_score(truth, predicted), abs=1e-4)
    theirs = IoUMetric(iou_metrics=['mIoU', 'mFscore'])
    theirs.dataset_meta = META
    theirs.process(None, SAMPLES)
    theirs = theirs.evaluate(4)
    for ours, name in (('mIoU', 'mIoU'), ('mAcc', 'mAcc'), ('mF1', 'mFscore'), ('OA', 'aAcc')):
        assert scores[ours] == pytest.approx(float(theirs[name]), abs=0.0051)
    assert all(type(value) is float for value in scores.values()), 'numpy does not resume'


def test_the_background_is_predicted_but_not_averaged():
    scores = metric_of(exclude=('background',)).evaluate(4)
    truth, predicted = pixels(SAMPLES)
    labels = [1, 2, 3]
    expected = sk.jaccard_score(truth, predicted, labels=labels, average=None).mean()
    assert scores['mIoU'] == pytest.approx(100 * expected, abs=1e-4)
    inside = truth > 0
    assert scores['OA'] == pytest.approx(100 * (truth == predicted)[inside].mean(), abs=1e-4)
    assert not [name for name in scores if '/' in name]


def test_the_log_holds_a_table_of_all_classes(monkeypatch):
    said = []
    path = 'samrs_mm.evaluation.metrics.seg_score_metric.print_log'
    monkeypatch.setattr(path, lambda text, **_: said.append(text))
    scores = metric_of(exclude=('background',), classwise=('IoU',)).evaluate(4)
    table = said[0].splitlines()
    assert table[1].split() == ['class', 'IoU', 'Acc', 'Precision', 'F1']
    assert table[2].startswith('background (not averaged)  ')
    assert float(table[4].split()[1]) == pytest.approx(scores['IoU/plane'], abs=0.006)
    assert len({len(line) for line in table[1:]}) == 1


def test_ranks_with_different_numbers_of_images():
    first, second = metric_of(SAMPLES[:1]), metric_of(SAMPLES[1:])
    together = metric_of().evaluate(4)
    assert first.compute_metrics(first.results + second.results) == together


def test_absent_classes_are_left_out_or_count_zero():
    samples = [sample_of(5, top=3)]
    plain = metric_of(samples, classwise=('F1',)).evaluate(1)
    zero = metric_of(samples, absent='zero').evaluate(1)
    assert zero['mF1'] == pytest.approx(plain['mF1'] * 3 / 4, abs=1e-4)
    assert 'F1/tank' not in plain
    assert plain['OA'] == zero['OA']


def test_its_keys_choose_a_checkpoint():
    scores = metric_of().evaluate(4)
    assert {'OA', 'mF1', 'mIoU', 'mAcc', 'mPrecision'} == set(scores)
    assert set(metric_of(prefix='val').evaluate(4)) == {f'val/{name}' for name in scores}


@pytest.mark.parametrize('format_only', [False, True])
def test_predictions_are_written(tmp_path, format_only):
    samples = [sample_of(0, path='a/tile_1.png')]
    metric = metric_of(samples, output_dir=str(tmp_path / 'out'), format_only=format_only)
    written = np.asarray(Image.open(tmp_path / 'out/tile_1.png'))
    assert (written == samples[0]['pred_sem_seg']['data'][0].numpy()).all()
    assert bool(metric.evaluate(1)) is not format_only


def test_wrong_options_are_refused():
    with pytest.raises(RefusedError, match="absent='skip'; allowed are nan, zero, authors"):
        SegScoreMetric(absent='skip')
    with pytest.raises(RefusedError, match='classwise of IoU, Acc, Precision, F1'):
        SegScoreMetric(classwise=('Dice',))
    with pytest.raises(RefusedError, match='give lists'):
        SegScoreMetric(exclude='background')
    with pytest.raises(RefusedError, match="'clutter' is no class of the dataset; its classes are"):
        metric_of(exclude=('clutter',)).evaluate(4)
