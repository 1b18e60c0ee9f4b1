"""Decode heads that mmsegmentation has not."""

from samrs_mm.models.decode_heads.unet_head import UNetHead

__all__ = ['UNetHead']
