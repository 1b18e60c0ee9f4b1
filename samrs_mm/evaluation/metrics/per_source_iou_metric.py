"""IoU of several sources, each with its own classes, and their mean."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from samrs_mm.core.errors import RefusedError


@METRICS.register_module()
class PerSourceIoUMetric(IoUMetric):
    """mmsegmentation's ``IoUMetric`` for each source, and the mean of their mIoU.

    A sample is scored against the classes of its ``source``. Several ``IoUMetric`` with prefixes
    don't do: an evaluator gives all of them the first dataset's classes.

    Classes that are in no label and in no prediction: by default they are left out of the means,
    as in mmsegmentation. ``nan_to_num=0`` counts them as 0, as the authors' code does in training,
    so a class that is absent from the validation images lowers the score. Predictions go to
    ``output_dir/SOURCE``.
    """

    dataset_meta: Mapping[str, Any] | None
    output_dir: str | None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of a batch: one entry per image.

        Samples are dicts with ``source``, ``pred_sem_seg``, and ``gt_sem_seg`` unless
        ``format_only``.

        Raises:
            RefusedError: A sample of a source that the dataset doesn't have.
        """
        for sample in data_samples:
            source = sample.get('source')
            before = len(self.results)
            with self._as(source):
                super().process(data_batch, [sample])
            # float32 sums lose units above 2**24 pixels.
            self.results[before:] = [
                (source, [area.double() for area in areas]) for areas in self.results[before:]
            ]

    def compute_metrics(self, results: Sequence[tuple[str, list]]) -> dict[str, float]:
        """Return ``SOURCE/mIoU``, ``SOURCE/aAcc``, ... in percent, and their means over sources."""
        metrics: dict[str, float] = {}
        values = defaultdict(list)
        for source in self._sources():
            areas = [entry for name, entry in results if name == source]
            if not areas:
                continue
            with self._as(source):
                scores = super().compute_metrics(areas)
            for name, value in scores.items():
                metrics[f'{source}/{name}'] = float(value)
                values[name].append(float(value))
        return metrics | {name: round(float(np.nanmean(of)), 2) for name, of in values.items()}

    def _sources(self) -> Mapping[str, Mapping[str, Any]]:
        sources = (self.dataset_meta or {}).get('sources')
        if not sources:
            raise RefusedError(
                "PerSourceIoUMetric: the dataset's metainfo has no 'sources'; use "
                'MultiSourceDataset, or IoUMetric for a single dataset'
            )
        return sources

    @contextmanager
    def _as(self, source: str | None) -> Iterator[None]:
        """Have the base class see one source's classes and folder."""
        sources, whole = self._sources(), (self.dataset_meta, self.output_dir)
        if source is None or source not in sources:
            raise RefusedError(
                f'source {source!r} cannot be scored; the dataset has the classes of '
                f'{", ".join(sources)}'
            )
        self.dataset_meta = sources[source]
        if self.output_dir is not None:
            self.output_dir = os.path.join(self.output_dir, source)
            os.makedirs(self.output_dir, exist_ok=True)
        try:
            yield
        finally:
            self.dataset_meta, self.output_dir = whole
