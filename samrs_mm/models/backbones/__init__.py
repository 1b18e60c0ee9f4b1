"""Backbones of the paper that mmsegmentation has not."""

from samrs_mm.models.backbones.internimage import InternImage
from samrs_mm.models.backbones.vit import ViT
from samrs_mm.models.backbones.vit_adapter import ViTAdapter
from samrs_mm.models.backbones.vit_rvsa import ViTRVSA
from samrs_mm.models.backbones.vitae import ViTAEv2

__all__ = ['InternImage', 'ViT', 'ViTAEv2', 'ViTAdapter', 'ViTRVSA']
