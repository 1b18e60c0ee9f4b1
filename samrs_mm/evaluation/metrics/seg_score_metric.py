"""IoU, F1 and accuracy over a chosen set of classes."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from samrs_mm.core.errors import RefusedError
from samrs_mm.evaluation.confusion import ABSENT, SegScores, confusion_matrix, scores_of

SCORES = {'IoU': 'iou', 'Acc': 'accuracy', 'Precision': 'precision', 'F1': 'f1'}
"""Scores per class by their names in the results; their means have an ``m`` before."""


@METRICS.register_module()
class SegScoreMetric(IoUMetric):
    """The paper's scores: OA, mF1, mIoU and mAcc, of all classes or all but some.

    Pixels are summed over all images and ranks, as whole numbers; then, for each class, IoU = TP /
    union, Acc = TP / truth, Precision = TP / prediction, F1 = their harmonic mean, and OA = sum of
    TP / sum of truth. Results are percents: ``OA``, ``mF1``, ``mIoU``, ``mAcc``, ``mPrecision``,
    each a key for ``save_best``.

    Args:
        exclude: Names of classes that count neither in the means nor in OA, such as iSAID's
            ``background``. They are still predicted, and wrongly so at the others' expense.
        absent: What a class without a pixel in labels and predictions scores; see ``scores_of``.
        classwise: Scores given for each class as well, such as ``('F1',)`` for ``F1/car``; classes
            without a value are left out. The log always shows the whole table.
        ignore_index: Value of pixels that aren't scored.
        **kwargs: As for mmseg's ``IoUMetric``: ``output_dir``, ``format_only``,
            ``collect_device``, ``prefix``.

    Raises:
        RefusedError: Unknown ``absent`` or ``classwise``; while scoring, an excluded class that the
            dataset doesn't have.

    Source: Wang et al. 2023, arXiv:2305.02034, tables 3 and 4; its code's formulas.
    """

    def __init__(
        self,
        exclude: Sequence[str] = (),
        absent: str = 'nan',
        classwise: Sequence[str] = (),
        ignore_index: int = 255,
        **kwargs,
    ):
        super().__init__(ignore_index=ignore_index, **kwargs)
        if absent not in ABSENT:
            raise RefusedError(
                f'SegScoreMetric: absent={absent!r}; allowed are {", ".join(ABSENT)}'
            )
        unknown = set(classwise) - set(SCORES)
        if isinstance(exclude, str) or isinstance(classwise, str) or unknown:
            raise RefusedError(
                f'SegScoreMetric: exclude={exclude!r}, classwise={classwise!r}: give lists; '
                f'classwise of {", ".join(SCORES)}'
            )
        self.exclude, self.absent, self.classwise = tuple(exclude), absent, tuple(classwise)

    @staticmethod
    def intersect_and_union(
        pred_label: torch.Tensor, label: torch.Tensor, num_classes: int, ignore_index: int
    ) -> np.ndarray:
        """Return an image's confusion matrix ``(K, K)``, which the base class collects."""
        return confusion_matrix(label, pred_label, num_classes, ignore_index)

    def compute_metrics(self, results: Sequence[Any]) -> dict[str, float]:
        """Return the scores in percent, of confusion matrices ``(K, K)`` of images of all ranks."""
        if self.format_only:
            return super().compute_metrics(results)
        scores = scores_of(np.sum(results, axis=0), self._averaged(), self.absent)
        print_log(f'per class results:\n{self._table(scores)}', logger='current')
        metrics = {'OA': scores.overall_accuracy}
        metrics |= {f'm{name}': scores.mean(field) for name, field in SCORES.items()}
        for name in self.classwise:
            values = zip(self.dataset_meta['classes'], getattr(scores, SCORES[name]), strict=True)
            metrics |= {f'{name}/{label}': float(v) for label, v in values if not math.isnan(v)}
        return {name: round(100 * value, 4) for name, value in metrics.items()}

    def _averaged(self) -> list[bool]:
        classes = self.dataset_meta['classes']
        unknown = [name for name in self.exclude if name not in classes]
        if unknown:
            raise RefusedError(
                f'SegScoreMetric: exclude={unknown[0]!r} is no class of the dataset; its classes '
                f'are {", ".join(classes)}'
            )
        return [name not in self.exclude for name in classes]

    def _table(self, scores: SegScores) -> str:
        counted = zip(self.dataset_meta['classes'], scores.averaged, strict=True)
        names = [name if counts else f'{name} (not averaged)' for name, counts in counted]
        wide = max(map(len, names))
        columns = [getattr(scores, field) for field in SCORES.values()]
        lines = [f'{"class":{wide}}' + ''.join(f'{name:>11}' for name in SCORES)]
        for name, *values in zip(names, *columns, strict=True):
            lines.append(f'{name:{wide}}' + ''.join(f'{100 * value:11.2f}' for value in values))
        return '\n'.join(lines)
