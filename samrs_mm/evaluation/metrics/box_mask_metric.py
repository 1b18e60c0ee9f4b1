"""Scores of masks made from boxes and clicks, crop by crop."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS

from samrs_mm.evaluation.calibration import fit_score, rank_correlation, said_scores

GOOD = 0.75
"""IoU from which a mask needs no correction, roughly."""


@METRICS.register_module()
class BoxMaskMetric(BaseMetric):
    """Mean IoUs of ``BoxNetTrainer``'s masks, and what its own score is worth.

    In percent: ``mIoU`` of crops with a box, ``above75`` the share of them from IoU 0.75 on;
    ``mIoU+1`` ... after simulated clicks; ``PROMPT/mIoU`` of the other prompts. ``rank`` is
    Spearman's correlation of score and IoU over crops with a box, -1 to 1; ``said`` their mean
    score, as the network says it. ``temperature`` and ``shift`` mend that (``fit_score``). The log
    has a table by kind.

    Args:
        prior: See ``fit_score``. From few objects alone temperature and shift are found badly: with
            10, the mean score of P0005's other vehicles was off by 1.0 points after a fit on one
            (six boxes), 0.7 on five, 0.5 on ten; with next to nothing by 2.3, 1.0 and 0.5.
        **kwargs: As for ``BaseMetric``.
    """

    def __init__(self, prior: float = 1e-3, **kwargs: Any):
        super().__init__(**kwargs)
        self.prior = prior

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep what the trainer says of a batch's crops."""
        keys = ('prompt', 'kind', 'ious', 'logits')
        self.results += [tuple(sample[key] for key in keys) for sample in data_samples]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the scores of all crops."""
        groups = defaultdict(list)
        for prompt, kind, ious, logits in results:
            groups[prompt].append((kind, ious, logits))
        metrics: dict[str, float] = {}
        for prompt in sorted(groups, key=lambda name: name != 'box'):
            kinds, ious, logits = (np.array(part) for part in zip(*groups[prompt], strict=True))
            prefix = '' if prompt == 'box' else f'{prompt}/'
            for clicks, values in enumerate(ious.T):
                metrics[f'{prefix}mIoU' + f'+{clicks}' * (clicks > 0)] = 100 * float(values.mean())
            if prompt == 'box':
                metrics |= _own_score(logits[:, 0], ious[:, 0], self.prior)
                metrics['above75'] = 100 * float((ious[:, 0] >= GOOD).mean())
                print_log(_table(kinds, ious), logger='current')
        return {name: round(value, 4) for name, value in metrics.items()}


def _own_score(logits: np.ndarray, ious: np.ndarray, prior: float) -> dict[str, float]:
    temperature, shift = fit_score(logits, ious, prior)
    return dict(
        rank=rank_correlation(logits, ious),
        said=100 * float(said_scores(logits, 1.0, 0.0).mean()),
        temperature=temperature,
        shift=shift,
    )


def _table(kinds: np.ndarray, ious: np.ndarray) -> str:
    wide = max(len('kind'), *map(len, kinds))
    lines = [f'{"kind":{wide}}{"crops":>7}{"mIoU":>8}{"above75":>9}']
    for kind in sorted(set(kinds)):
        own = ious[kinds == kind, 0]
        good = 100 * (own >= GOOD).mean()
        lines.append(f'{kind:{wide}}{len(own):7}{100 * own.mean():8.2f}{good:9.1f}')
    return '\n'.join(['masks of boxes:', *lines])
