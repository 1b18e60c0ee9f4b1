"""Confidence intervals by resampling images."""

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95


def resamples(images: int, count: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Return how often each image is drawn in each resample, ``(count, images)`` int64.

    Images are drawn, not objects: objects of one image are alike.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(images, np.full(images, 1 / images), size=count)


def interval(
    draws: np.ndarray, numerators: np.ndarray, denominators: np.ndarray, level: float = LEVEL
) -> tuple[float, float] | None:
    """Return the percentile interval of a ratio of sums over images.

    ``draws`` ``(R, N)`` come from ``resamples``; numerators and denominators ``(N,)`` are by image,
    such as the sum of its objects' IoUs and their number. Resamples whose denominators are all 0
    are left out. None where fewer than two images have anything in them: their spread is unknown.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    if np.count_nonzero(denominators) < 2:
        return None
    below = draws @ denominators
    ratios = (draws @ numerators)[below > 0] / below[below > 0]
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
