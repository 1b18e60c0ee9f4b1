"""Metrics for mmengine's evaluator."""

from samrs_mm.evaluation.metrics.box_mask_metric import BoxMaskMetric
from samrs_mm.evaluation.metrics.detector_metric import DetectorMetric
from samrs_mm.evaluation.metrics.per_source_iou_metric import PerSourceIoUMetric
from samrs_mm.evaluation.metrics.scene_score_metric import SceneScoreMetric
from samrs_mm.evaluation.metrics.seg_score_metric import SegScoreMetric

__all__ = [
    'BoxMaskMetric',
    'DetectorMetric',
    'PerSourceIoUMetric',
    'SceneScoreMetric',
    'SegScoreMetric',
]
