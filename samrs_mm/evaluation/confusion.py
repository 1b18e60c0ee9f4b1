"""Confusion matrices, and the scores that follow from one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from samrs_mm.core.classes import UNLABELLED

ABSENT = ('nan', 'zero', 'authors')


def confusion_matrix(
    truth: torch.Tensor | np.ndarray,
    predicted: torch.Tensor | np.ndarray,
    num_classes: int,
    ignore_index: int = UNLABELLED,
) -> np.ndarray:
    """Count the pixels of each pair of true and predicted class, in arrays of one shape.

    Pixels whose truth is ``ignore_index`` are left out.

    Returns:
        ``(K, K)`` int64; rows are true, columns predicted classes.

    Raises:
        ValueError: Shapes differ, or a scored pixel's value is no class.
    """
    truth, predicted = torch.as_tensor(truth), torch.as_tensor(predicted)
    if truth.shape != predicted.shape:
        raise ValueError(
            f'label of {tuple(truth.shape)} and prediction of {tuple(predicted.shape)} px'
        )
    scored = truth != ignore_index
    truth, predicted = truth[scored].long(), predicted.to(truth.device)[scored].long()
    for name, values in (('label', truth), ('prediction', predicted)):
        if values.numel() and not 0 <= values.min() <= values.max() < num_classes:
            wrong = values[(values < 0) | (values >= num_classes)][0].item()
            also = f' and {ignore_index}' if name == 'label' else ''
            raise ValueError(
                f'{name} has the value {wrong}; allowed are 0..{num_classes - 1}{also}'
            )
    pairs = torch.bincount(truth * num_classes + predicted, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes).cpu().numpy().astype(np.int64)


@dataclass(frozen=True)
class SegScores:
    """Scores of a segmentation, from 0 to 1; NaN where there is nothing to score.

    Args:
        iou: ``(K,)`` true positives over the union of truth and prediction.
        accuracy: ``(K,)`` true positives over truth (recall).
        precision: ``(K,)`` true positives over prediction.
        f1: ``(K,)`` harmonic mean of the two.
        overall_accuracy: True positives over truth, of all averaged classes together.
        averaged: ``(K,)`` which classes count in the means.
    """

    iou: np.ndarray
    accuracy: np.ndarray
    precision: np.ndarray
    f1: np.ndarray
    overall_accuracy: float
    averaged: np.ndarray

    def mean(self, name: str) -> float:
        """Return the mean of ``iou``, ``accuracy``, ``precision`` or ``f1`` without NaNs."""
        values = getattr(self, name)[self.averaged]
        values = values[~np.isnan(values)]
        return float(values.mean()) if len(values) else float('nan')


def scores_of(
    confusion: np.ndarray, averaged: Sequence[bool] | None = None, absent: str = 'nan'
) -> SegScores:
    """Return the scores of a confusion matrix.

    Args:
        confusion: ``(K, K)`` counts; rows are true, columns predicted classes.
        averaged: ``(K,)`` which classes count in the means and the overall accuracy; all by
            default. The others still compete for pixels.
        absent: What a class without a pixel in truth and in prediction scores. ``'nan'``: nothing,
            it is left out of the means. ``'zero'``: 0 in each. ``'authors'``: as in the authors'
            test: IoU, accuracy and precision 0, F1 NaN. There F1 is NaN also for a class that is
            present and never met (the others give 0): a mean of F1 that leaves it out is too high.

    Raises:
        ValueError: Unknown ``absent``.
    """
    if absent not in ABSENT:
        raise ValueError(f'absent={absent!r}; allowed are {", ".join(ABSENT)}')
    confusion = np.asarray(confusion, np.int64)
    hits, truth, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    chosen = np.ones(len(hits), bool) if averaged is None else np.asarray(averaged, bool)
    present = (truth + predicted) > 0
    missed = np.nan if absent == 'nan' else 0.0

    def fraction(parts: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Return parts of a whole; 0 where a class that is present has no whole."""
        return np.where(present, parts / np.maximum(whole, 1), missed)

    f1 = fraction(2 * hits, truth + predicted)
    total = truth[chosen].sum()
    return SegScores(
        iou=fraction(hits, truth + predicted - hits),
        accuracy=fraction(hits, truth),
        precision=fraction(hits, predicted),
        f1=np.where(hits > 0, f1, np.nan) if absent == 'authors' else f1,
        overall_accuracy=float(hits[chosen].sum() / total) if total else float('nan'),
        averaged=chosen,
    )
