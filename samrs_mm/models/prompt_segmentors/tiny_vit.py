"""TinyViT, the image encoder of MobileSAM and of Light HQ-SAM.

Source: Wu et al. 2022, arXiv:2207.10666, and Zhang et al. 2023, arXiv:2306.14289 (Apache-2.0), used
as the package ``segment_anything_hq`` has it.
"""

import math
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import nn

from samrs_mm.core.errors import RefusedError

SIDE = 1024
"""Of the square that it sees, in pixels: its code says 64 x 64 for what it gives."""

PUBLISHED_SIZES = dict(
    embed_dims=[64, 128, 160, 320],
    depths=[2, 2, 6, 2],
    num_heads=[4, 5, 10],
    window_sizes=[7, 14, 7],
)
"""The one TinyViT that is published in a SAM: of its four stages the last three have attention."""

# Merging patches into features of so many channels does not halve their grid.
_UNMERGED = (320, 448, 576)


def import_segment_anything_hq(needed_by: str) -> ModuleType:
    """Return the package ``segment_anything_hq``.

    Raises:
        RefusedError: It, or ``timm`` that it needs without saying so, is not installed.
    """
    try:
        with warnings.catch_warnings():
            # It asks timm for modules by their old names, and registers its models with it.
            warnings.simplefilter('ignore')
            import segment_anything_hq
    except ImportError as error:
        raise RefusedError(
            f'{needed_by} needs segment_anything_hq and timm ({error}): '
            'pip install segment-anything-hq==0.3 timm'
        ) from error
    return segment_anything_hq


def check_sizes(arch: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the sizes of a TinyViT, as plain data.

    Args:
        arch: ``embed_dims`` and ``depths`` of the four stages, ``num_heads`` and ``window_sizes``
            of the last three; other keys are passed over.

    Raises:
        RefusedError: One can't be.
    """
    sizes = {}
    for key, published in PUBLISHED_SIZES.items():
        value = arch[key]
        sizes[key] = list(value) if isinstance(value, list | tuple) else []
        whole = all(type(item) is int and item > 0 for item in sizes[key])
        if not whole or len(sizes[key]) != len(published):
            raise RefusedError(
                f'model.arch: {key}={value!r}; {len(published)} whole numbers from 1 are needed, '
                f'such as {published}'
            )
    dims, heads = sizes['embed_dims'], sizes['num_heads']
    if dims[3] not in _UNMERGED or {*dims[:3]} & {*_UNMERGED}:
        raise RefusedError(
            f'model.arch: embed_dims={dims}; the last, and no other, must be one of '
            f'{", ".join(map(str, _UNMERGED))}: at those TinyViT keeps its grid'
        )
    if any(dim % count for dim, count in zip(dims[1:], heads, strict=True)):
        raise RefusedError(
            f'model.arch: embed_dims={dims} with num_heads={heads}; each of the last three must '
            'be a multiple of its heads'
        )
    return sizes


def build_tiny_vit(modeling: ModuleType, sizes: Mapping[str, list[int]]) -> nn.Module:
    """Return a TinyViT of ``segment_anything_hq.modeling``, as ``build_sam_vit_t`` there."""
    return modeling.TinyViT(
        img_size=SIDE,
        in_chans=3,
        num_classes=1000,
        mlp_ratio=4.0,
        drop_rate=0.0,
        drop_path_rate=0.0,
        use_checkpoint=False,
        mbconv_expand_ratio=4.0,
        local_conv_size=3,
        layer_lr_decay=0.8,
        embed_dims=sizes['embed_dims'],
        depths=sizes['depths'],
        # The first stage has no attention, so its heads and window are never read.
        num_heads=[1, *sizes['num_heads']],
        window_sizes=[7, *sizes['window_sizes']],
    )


def is_tiny_vit(state: Mapping[str, Any]) -> bool:
    """Whether the image encoder in a SAM's weights is a TinyViT."""
    return any(str(key).startswith('image_encoder.patch_embed.seq.') for key in state)


def sizes_of(state: Mapping[str, torch.Tensor]) -> dict[str, list[int]]:
    """Return the sizes of the TinyViT in a SAM's weights, as ``check_sizes`` does.

    Raises:
        KeyError: A weight is missing.
    """
    root = 'image_encoder.layers'
    attention = [f'{root}.{i}.blocks.0.attn' for i in (1, 2, 3)]
    biases = [state[f'{name}.attention_biases'].shape for name in attention]
    names = [key.split('.') for key in map(str, state) if key.startswith(f'{root}.')]
    return dict(
        embed_dims=[
            state[f'{root}.0.blocks.0.conv1.c.weight'].shape[1],
            *(state[f'{name}.norm.weight'].shape[0] for name in attention),
        ],
        depths=[
            len({parts[4] for parts in names if parts[2:4] == [str(i), 'blocks']}) for i in range(4)
        ],
        num_heads=[heads for heads, _ in biases],
        window_sizes=[math.isqrt(offsets) for _, offsets in biases],
    )
