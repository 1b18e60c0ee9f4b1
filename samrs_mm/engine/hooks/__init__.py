"""Hooks of mmengine's Runner."""

from samrs_mm.engine.hooks.boxnet_weights_hook import BoxNetWeightsHook
from samrs_mm.engine.hooks.class_check_hook import ClassCheckHook
from samrs_mm.engine.hooks.export_weights_hook import ExportWeightsHook
from samrs_mm.engine.hooks.finite_loss_hook import FiniteLossHook
from samrs_mm.engine.hooks.learning_curves_hook import LearningCurvesHook
from samrs_mm.engine.hooks.owed_validation_hook import OwedValidationHook
from samrs_mm.engine.hooks.plain_checkpoint_hook import PlainCheckpointHook
from samrs_mm.engine.hooks.prediction_picture_hook import PredictionPictureHook
from samrs_mm.engine.hooks.resumed_schedule_hook import ResumedScheduleHook
from samrs_mm.engine.hooks.source_class_check_hook import SourceClassCheckHook
from samrs_mm.engine.hooks.speed_hook import SpeedHook
from samrs_mm.engine.hooks.stop_signal_hook import StopSignalHook
from samrs_mm.engine.hooks.strict_loading_hook import StrictLoadingHook
from samrs_mm.engine.hooks.validate_first_hook import ValidateFirstHook

__all__ = [
    'BoxNetWeightsHook',
    'ClassCheckHook',
    'ExportWeightsHook',
    'FiniteLossHook',
    'LearningCurvesHook',
    'OwedValidationHook',
    'PlainCheckpointHook',
    'PredictionPictureHook',
    'ResumedScheduleHook',
    'SourceClassCheckHook',
    'SpeedHook',
    'StopSignalHook',
    'StrictLoadingHook',
    'ValidateFirstHook',
]
