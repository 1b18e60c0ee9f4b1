"""Metrics for mmengine's evaluator."""

from samrs_mm.evaluation.metrics.per_source_iou_metric import PerSourceIoUMetric

__all__ = ['PerSourceIoUMetric']
