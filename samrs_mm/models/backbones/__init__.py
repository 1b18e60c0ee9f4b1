"""Backbones that mmsegmentation has not: the paper's, MAE's kin, and Hugging Face's."""

from samrs_mm.models.backbones.huggingface import HuggingFaceBackbone
from samrs_mm.models.backbones.internimage import InternImage
from samrs_mm.models.backbones.mae_vit import MAEViT
from samrs_mm.models.backbones.vit import ViT
from samrs_mm.models.backbones.vit_adapter import ViTAdapter
from samrs_mm.models.backbones.vit_rvsa import ViTRVSA
from samrs_mm.models.backbones.vitae import ViTAEv2

__all__ = [
    'HuggingFaceBackbone', 'InternImage', 'MAEViT', 'ViT', 'ViTAEv2', 'ViTAdapter', 'ViTRVSA',
]  # fmt: skip
