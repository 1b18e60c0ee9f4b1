import numpy as np
import pytest

from samrs_mm.evaluation.bootstrap import interval, resamples


def test_every_resample_draws_as_many_images():
    draws = resamples(7, count=50)
    assert draws.shape == (50, 7)
    assert (draws.sum(axis=1) == 7).all()
    assert (resamples(7, count=50) == draws).all()
    assert (resamples(7, count=50, seed=1) != draws).any()


def test_the_interval_equals_that_of_a_loop_over_resamples():
    rng = np.random.default_rng(3)
    sums, counts = rng.uniform(0, 5, 12), rng.integers(0, 6, 12)
    draws = resamples(12)
    means = []
    for draw in draws:
        images = [image for image, times in enumerate(draw) for _ in range(times)]
        if sum(counts[images]):
            means.append(sum(sums[images]) / sum(counts[images]))
    assert interval(draws, sums, counts) == pytest.approx(np.percentile(means, [2.5, 97.5]))


def test_it_covers_the_mean_of_many_draws_as_often_as_it_says():
    rng = np.random.default_rng(0)
    draws, ones, inside = resamples(60, count=400), np.ones(60), 0
    for _ in range(200):
        low, high = interval(draws, rng.normal(3, 1, 60), ones)
        inside += low < 3 < high
    assert 0.88 < inside / 200 < 0.99


@pytest.mark.parametrize('counts', [[4], [0, 4, 0]])
def test_one_image_says_nothing_of_the_spread(counts):
    counts = np.array(counts)
    assert interval(resamples(len(counts)), counts / 2, counts) is None
