import math

import numpy as np
import pytest

from samrs_mm.evaluation.calibration import fit_score, rank_correlation, said_scores


def test_the_rank_correlation():
    values = np.array([0.1, 0.5, 0.2, 0.9])
    assert rank_correlation(values, values**3) == pytest.approx(1)
    assert rank_correlation(values, -values) == pytest.approx(-1)
    # 1 - 6 * sum(d^2) / (n^3 - n) with d = 0, 1, 1, 0
    assert rank_correlation([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)


def test_equal_values_share_a_rank():
    scipy = pytest.importorskip('scipy.stats')
    rng = np.random.default_rng(0)
    said, true = rng.integers(0, 5, 50), rng.integers(0, 5, 50)
    assert rank_correlation(said, true) == pytest.approx(scipy.spearmanr(said, true)[0])


def test_without_an_order_there_is_no_correlation():
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))


@pytest.mark.parametrize(('temperature', 'shift'), [(1, 0), (2.5, -0.4), (0.6, 0.8)])
def test_the_fit_finds_what_was_off(temperature, shift):
    logits = np.random.default_rng(1).normal(1, 1.5, 4000)
    ious = said_scores(logits, temperature, shift)
    assert fit_score(logits, ious) == pytest.approx((temperature, shift), abs=0.01)


def test_the_mean_is_right_after_the_fit():
    rng = np.random.default_rng(2)
    logits = rng.normal(3, 1, 500)
    ious = np.clip(0.8 + 0.05 * logits + rng.normal(0, 0.1, 500) - 0.15, 0, 1)
    fitted = said_scores(logits, *fit_score(logits, ious))
    assert fitted.mean() == pytest.approx(ious.mean(), abs=1e-4)
    assert said_scores(logits, 1, 0).mean() > ious.mean() + 0.1


@pytest.mark.parametrize('logits', [[2.0, 2.0, 2.0], [3.0], [0.0, 1.0, 2.0]])
def test_little_to_fit_gives_numbers(logits):
    falling = np.linspace(0.9, 0.5, len(logits))
    temperature, shift = fit_score(np.array(logits), falling)
    assert 0 < temperature <= 20
    assert math.isfinite(shift)


def test_a_prior_holds_what_few_masks_say_near_what_the_logits_say():
    logits, ious = np.array([2.0, 2.5, 3.0]), np.array([0.7, 0.65, 0.72])
    alone, held = (said_scores(logits, *fit_score(logits, ious, k)).mean() for k in (1e-3, 10))
    assert alone == pytest.approx(ious.mean(), abs=1e-3)
    assert ious.mean() + 0.05 < held < said_scores(logits, 1, 0).mean()
    many = said_scores(
        np.tile(logits, 500), *fit_score(np.tile(logits, 500), np.tile(ious, 500), 10)
    )
    assert many.mean() == pytest.approx(ious.mean(), abs=3e-3)
