"""Folders of SAM on the Hugging Face hub, whose weights have other names than in Meta's files."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from samrs_mm.core.errors import RefusedError, describe
from samrs_mm.models.prompt_segmentors.hf_models import check_folder, part_names
from samrs_mm.models.prompt_segmentors.sam_families import SAM

_MLP = r'(iou_prediction_head|output_hypernetworks_mlps\.\d+)\.'
# Names there, and Meta's; each rule is applied once, in this order.
_TABLE = (
    (r'^vision_encoder\.', 'image_encoder.'),
    (r'^image_encoder\.layers\.', 'image_encoder.blocks.'),
    (r'patch_embed\.projection\.', 'patch_embed.proj.'),
    (r'\.neck\.conv1\.', '.neck.0.'),
    (r'\.neck\.layer_norm1\.', '.neck.1.'),
    (r'\.neck\.conv2\.', '.neck.2.'),
    (r'\.neck\.layer_norm2\.', '.neck.3.'),
    (r'\.mask_embed\.conv1\.', '.mask_downscaling.0.'),
    (r'\.mask_embed\.layer_norm1\.', '.mask_downscaling.1.'),
    (r'\.mask_embed\.conv2\.', '.mask_downscaling.3.'),
    (r'\.mask_embed\.layer_norm2\.', '.mask_downscaling.4.'),
    (r'\.mask_embed\.conv3\.', '.mask_downscaling.6.'),
    (r'\.point_embed\.', '.point_embeddings.'),
    (
        r'\.shared_embedding\.positional_embedding$',
        '.pe_layer.positional_encoding_gaussian_matrix',
    ),
    (r'\.upscale_conv1\.', '.output_upscaling.0.'),
    (r'\.upscale_layer_norm\.', '.output_upscaling.1.'),
    (r'\.upscale_conv2\.', '.output_upscaling.3.'),
    (_MLP + r'layers\.0\.', r'\1.layers.1.'),
    (_MLP + r'proj_in\.', r'\1.layers.0.'),
    (_MLP + r'proj_out\.', r'\1.layers.2.'),
    (r'\.layer_norm', '.norm'),
)
# Prompts and image share it: versions of transformers save it under both names, or under one.
_POSITIONS = 'prompt_encoder.shared_embedding.positional_embedding'
_ONCE_MORE = 'shared_image_embedding.positional_embedding'


def read_folder(path: Path, vit: Mapping[str, Any], advice: str) -> dict[str, torch.Tensor]:
    """Return the weights of a folder of SAM by Meta's names, read as data only.

    Args:
        path: The folder.
        vit: What its image encoder must be, of what weights don't tell: ``num_heads``,
            ``global_attn_indexes``, ``window_size``.
        advice: Where to get the weights.

    Raises:
        RefusedError: It is no such folder, of another network, or damaged.
    """
    check_folder(path, SAM, advice)
    held = json.loads((path / 'config.json').read_text(encoding='utf-8')).get('vision_config') or {}
    wanted = dict(
        num_attention_heads=vit['num_heads'],
        global_attn_indexes=list(vit['global_attn_indexes']),
        window_size=vit['window_size'],
        hidden_act='gelu',
        layer_norm_eps=1e-6,
    )
    for key, value in wanted.items():
        if held.get(key, value) != value:
            raise RefusedError(
                f'checkpoint {path}: config.json: vision_config.{key}={held[key]!r} instead of '
                f'{value!r}; networks are taken as their authors published them, other sizes are '
                'those of model.arch'
            )
    tensors = _tensors(path)
    if (positions := tensors.pop(_ONCE_MORE, None)) is not None:
        tensors.setdefault(_POSITIONS, positions)
    return {_renamed(key): value for key, value in tensors.items()}


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = {}
    for name in part_names(path):
        try:
            found |= load_file(path / name)
        except (OSError, SafetensorError) as error:
            raise RefusedError(
                f'checkpoint {path}: its weights cannot be read ({describe(error)}); are they '
                'whole?'
            ) from error
    return found


def _renamed(key: str) -> str:
    for pattern, replacement in _TABLE:
        key = re.sub(pattern, replacement, key)
    return key
