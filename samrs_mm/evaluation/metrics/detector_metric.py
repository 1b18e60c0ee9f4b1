"""The score of one of several detectors of a network."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from samrs_mm.core.errors import RefusedError


@METRICS.register_module()
class DetectorMetric(BaseMetric):
    """A metric of mmdet or mmrotate for one detector of ``MultiTaskPretrainer``.

    It sees the samples of the detector's source, with ``pred_NAME`` for ``pred_instances``, and the
    source's classes. Scores are named ``DETECTOR/...``.

    Args:
        detector: Name of the detector.
        source: The source that it was trained on.
        task: ``'instance'`` or ``'oriented'``, which boxes of ``gt_instances`` are the truth.
        metric: Config of the metric, ``dict(type='mmdet.CocoMetric', ...)`` without ``ann_file`` or
            ``dict(type='mmrotate.DOTAMetric', ...)``.
        **kwargs: As for ``BaseMetric``.
    """

    def __init__(
        self, detector: str, source: str, task: str, metric: Mapping[str, Any], **kwargs: Any
    ):
        super().__init__(**dict(dict(prefix=detector), **kwargs))
        self.detector, self.source, self.task = detector, source, task
        self.metric = METRICS.build(dict(metric))

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep what the metric makes of each sample: one entry per image, of any source.

        Raises:
            RefusedError: A sample of the source without this detector's prediction.
        """
        self.metric.dataset_meta = self._source_meta()
        for sample in data_samples:
            self.metric.results = []
            if sample.get('source') == self.source:
                self.metric.process(data_batch, [self._view(sample)])
            self.results.append(self.metric.results)

    def compute_metrics(self, results: list[list]) -> dict[str, float]:
        """Return the metric's scores; none where no image is of the source."""
        self.metric.dataset_meta = self._source_meta()
        found = [entry for entries in results for entry in entries]
        return self.metric.compute_metrics(found) if found else {}

    def _view(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        key = f'pred_{self.detector}'
        if key not in sample:
            raise RefusedError(
                f'DetectorMetric(detector={self.detector!r}): the model has no such detector for '
                f'source {self.source!r}; name one of model.detectors'
            )
        view = dict(sample, pred_instances=sample[key])
        for name in ('gt_instances', 'ignored_instances'):
            if self.task == 'oriented' and name in sample:
                view[name] = dict(sample[name], bboxes=sample[name]['rboxes'])
        return view

    def _source_meta(self) -> Mapping[str, Any]:
        sources = (self.dataset_meta or {}).get('sources') or {}
        if self.source not in sources:
            raise RefusedError(
                f'DetectorMetric(source={self.source!r}): the dataset has '
                f'{", ".join(sources) or "no sources"}; name one of them'
            )
        return sources[self.source]
