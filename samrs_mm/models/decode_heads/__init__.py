"""Decode heads that mmsegmentation has not."""

from samrs_mm.models.decode_heads.partial_label_mask2former_head import PartialLabelMask2FormerHead
from samrs_mm.models.decode_heads.unet_head import UNetHead

__all__ = ['PartialLabelMask2FormerHead', 'UNetHead']
