"""Segmentors: networks that label every pixel of an image."""

from samrs_mm.compat import mend_get_flops
from samrs_mm.models.segmentors.multi_head_cascade_encoder_decoder import (
    MultiHeadCascadeEncoderDecoder,
)
from samrs_mm.models.segmentors.multi_head_encoder_decoder import MultiHeadEncoderDecoder
from samrs_mm.models.segmentors.multi_head_mask2former import MultiHeadMask2Former
from samrs_mm.models.segmentors.multi_task_pretrainer import MultiTaskPretrainer

__all__ = [
    'MultiHeadCascadeEncoderDecoder',
    'MultiHeadEncoderDecoder',
    'MultiHeadMask2Former',
    'MultiTaskPretrainer',
]

mend_get_flops()  # that script imports this when it reads a config
