"""What a predicted IoU is worth: its order, and how far it lies off."""

import numpy as np

_STEPS = 50
_LEAST_SLOPE = 0.05


def rank_correlation(said: np.ndarray, true: np.ndarray) -> float:
    """Return Spearman's rank correlation of two arrays ``(N,)``; NaN where one has no order."""
    ranks = [_ranks(np.asarray(values, float)) for values in (said, true)]
    deviations = [rank - rank.mean() for rank in ranks]
    spread = np.sqrt(np.prod([np.square(each).sum() for each in deviations]))
    return float((deviations[0] * deviations[1]).sum() / spread) if spread > 0 else float('nan')


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 0, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[inverse.ravel()]


def fit_score(logits: np.ndarray, ious: np.ndarray, prior: float = 1e-3) -> tuple[float, float]:
    """Return temperature and shift by which logits say the IoUs best.

    ``sigmoid(logit / temperature + shift)`` has the least cross-entropy to the IoUs, found by
    Newton's method; of a slope too flat or falling, 20 is the temperature.

    Source: Platt 1999, "Probabilistic outputs for support vector machines".

    Args:
        logits: ``(N,)``.
        ious: ``(N,)`` in [0, 1].
        prior: How much slope and shift are held at 1 and 0, which is what the logits say by
            themselves: the weight of half their squared distance from there, beside the sum of the
            cross-entropies. The default decides nothing but what equal logits leave open.
    """
    inputs = np.stack([np.asarray(logits, float), np.ones(len(logits))], 1)
    fitted = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        said = 1 / (1 + np.exp(-inputs @ fitted))
        gradient = inputs.T @ (said - ious) + prior * (fitted - [1, 0])
        curvature = (inputs * (said * (1 - said))[:, None]).T @ inputs + prior * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        fitted = fitted - np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    slope, shift = fitted.tolist()
    return 1 / max(slope, _LEAST_SLOPE), shift


def said_scores(logits: np.ndarray, temperature: float, shift: float) -> np.ndarray:
    """Return the scores that logits say, in [0, 1]."""
    return 1 / (1 + np.exp(-(np.asarray(logits, float) / temperature + shift)))
