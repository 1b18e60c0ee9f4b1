import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from samrs_mm.evaluation.confusion import confusion_matrix, scores_of


def maps(seed: int, classes: int, absent: int, ignored: float) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and prediction; the last ``absent`` classes occur in neither."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes - absent, (12, 17))
    predicted = np.where(rng.random(truth.shape) < 0.5, truth,
                         rng.integers(0, classes - absent, truth.shape))  # fmt: skip
    truth[rng.random(truth.shape) < ignored] = 255
    return truth, predicted


CASES = dict(
    seed=st.integers(0, 2**32 - 1),
    classes=st.integers(3, 9),
    absent=st.integers(0, 2),
    ignored=st.sampled_from((0.0, 0.3, 0.99)),
)


def slow_scores(truth, predicted, classes):
    """Count pixel by pixel and divide in float64; NaN for a class that occurs in neither."""
    rows = []
    for c in range(classes):
        tp = fp = fn = 0
        for t, p in zip(truth.ravel().tolist(), predicted.ravel().tolist(), strict=True):
            if t == 255:
                continue
            tp += t == c and p == c
            fp += t != c and p == c
            fn += t == c and p != c
        if tp + fp + fn == 0:
            rows.append((np.nan,) * 4)
            continue
        recall = tp / (tp + fn) if tp + fn else 0.0
        precision = tp / (tp + fp) if tp + fp else 0.0
        both = precision + recall
        f1 = 2 * precision * recall / both if both else 0.0
        rows.append((tp / (tp + fp + fn), recall, precision, f1))
    return np.array(rows)


@settings(max_examples=60)
@given(**CASES)
def test_scores_equal_a_slow_reference(seed, classes, absent, ignored):
    truth, predicted = maps(seed, classes, absent, ignored)
    scores = scores_of(confusion_matrix(truth, predicted, classes))
    expected = slow_scores(truth, predicted, classes)
    found = np.stack([scores.iou, scores.accuracy, scores.precision, scores.f1], 1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    means = [scores.mean(name) for name in ('iou', 'accuracy', 'precision', 'f1')]
    if not np.isnan(expected).all():
        np.testing.assert_allclose(means, np.nanmean(expected, 0), atol=1e-12)


@settings(max_examples=60)
@given(**CASES)
def test_scores_equal_scikit_learns(seed, classes, absent, ignored):
    truth, predicted = maps(seed, classes, absent, ignored)
    t, p = truth[truth != 255], predicted[truth != 255]
    confusion = confusion_matrix(truth, predicted, classes)
    labels = list(range(classes))
    if not len(t):
        assert not confusion.any()
        return
    np.testing.assert_array_equal(confusion, sk.confusion_matrix(t, p, labels=labels))
    scores = scores_of(confusion, absent='zero')
    options = dict(labels=labels, average=None, zero_division=0)
    np.testing.assert_allclose(scores.iou, sk.jaccard_score(t, p, **options), atol=1e-12)
    np.testing.assert_allclose(scores.accuracy, sk.recall_score(t, p, **options), atol=1e-12)
    np.testing.assert_allclose(scores.precision, sk.precision_score(t, p, **options), atol=1e-12)
    np.testing.assert_allclose(scores.f1, sk.f1_score(t, p, **options), atol=1e-12)
    assert scores.overall_accuracy == pytest.approx(sk.accuracy_score(t, p))


def test_a_class_left_out_of_the_means_still_takes_pixels():
    truth, predicted = maps(3, 5, 0, 0.2)
    scores = scores_of(confusion_matrix(truth, predicted, 5), [False, True, True, True, True])
    inside = (truth != 255) & (truth != 0)
    expected = (predicted[inside] == truth[inside]).mean()
    assert scores.overall_accuracy == pytest.approx(expected)
    assert scores.mean('iou') == pytest.approx(slow_scores(truth, predicted, 5)[1:, 0].mean())


def test_the_three_rules_for_absent_and_never_met_classes():
    # class 1 is never met, 2 is in neither, 3 is predicted only
    confusion = [[6, 0, 0, 2], [2, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    plain, zero, authors = (
        scores_of(confusion, absent=rule) for rule in ('nan', 'zero', 'authors')
    )
    nan = np.nan
    np.testing.assert_allclose(plain.iou, [0.6, 0, nan, 0])
    np.testing.assert_allclose(plain.f1, [0.75, 0, nan, 0])
    np.testing.assert_allclose(zero.accuracy, [0.75, 0, 0, 0])
    np.testing.assert_allclose(authors.iou, [0.6, 0, 0, 0])
    np.testing.assert_allclose(authors.f1, [0.75, nan, nan, nan])
    assert plain.mean('f1') == pytest.approx(0.25)
    assert zero.mean('f1') == pytest.approx(0.1875)
    assert authors.mean('f1') == pytest.approx(0.75)
    with pytest.raises(ValueError, match='allowed are nan, zero, authors'):
        scores_of(confusion, absent='skip')


@settings(max_examples=30)
@given(**CASES)
def test_the_authors_rule_is_their_formulas(seed, classes, absent, ignored):
    truth, predicted = maps(seed, classes, absent, ignored)
    confusion = confusion_matrix(truth, predicted, classes)
    hits, g, p = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    accuracy, precision = hits / (g + 1e-10), hits / (p + 1e-10)
    with np.errstate(invalid='ignore'):
        f1 = 2 * precision * accuracy / (precision + accuracy)
    scores = scores_of(confusion, absent='authors')
    np.testing.assert_allclose(scores.f1, f1, atol=1e-9)
    np.testing.assert_allclose(scores.iou, hits / (g + p - hits + 1e-10), atol=1e-9)
    np.testing.assert_allclose(scores.accuracy, accuracy, atol=1e-9)


def test_counts_are_exact_beyond_float32():
    one = np.array([[2**24, 1], [0, 2**24]])
    scores = scores_of(one * 3)
    assert scores.accuracy[0] == 2**24 / (2**24 + 1)
    assert confusion_matrix(torch.zeros(3), torch.zeros(3), 2).dtype == np.int64


def test_nothing_scored_is_nan_not_a_crash():
    scores = scores_of(confusion_matrix(np.full((2, 2), 255), np.zeros((2, 2), int), 3))
    assert np.isnan([scores.overall_accuracy, scores.mean('f1')]).all()


@pytest.mark.parametrize(
    ('truth', 'predicted', 'message'),
    [
        ([[0, 1]], [[0, 3]], 'prediction has the value 3; allowed are 0..2$'),
        ([[0, 7]], [[0, 0]], 'label has the value 7; allowed are 0..2 and 255'),
        ([[0, 1]], [[0], [1]], r'label of \(1, 2\) and prediction of \(2, 1\)'),
    ],
)
def test_values_beyond_the_classes_are_refused(truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(np.array(truth), np.array(predicted), 3)
    assert confusion_matrix(np.array([[255]]), np.array([[9]]), 3).sum() == 0
