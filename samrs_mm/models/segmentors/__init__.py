"""Segmentors: networks that label every pixel of an image."""

from samrs_mm.models.segmentors.multi_head_encoder_decoder import MultiHeadEncoderDecoder

__all__ = ['MultiHeadEncoderDecoder']
