"""Swin: Microsoft's names and channel order, and mmsegmentation's.

Microsoft concatenates the four pixels that PatchMerging joins, column by column, pixel after
pixel; mmsegmentation unfolds them, row by row, channel after channel.
"""

from torch import Tensor

from samrs_mm.models.conversion.rules import (
    CLASSIFIER,
    COMPUTED_INDEX,
    OWN_INITIALISATION,
    Network,
    Rule,
)

_ORDER = 'merged pixels re-ordered'
_COLUMN_BY_COLUMN = (0, 2, 1, 3)


def to_unfold_order(merged: Tensor, *_: object) -> Tensor:
    """Re-order the last axis from (pixel, channel) to (channel, pixel), and the pixels.

    Args:
        merged: ``(..., 4 * C)``: LN's weight or bias, or the weight of the reduction.
    """
    pixels = merged.unflatten(-1, (4, -1))[..., _COLUMN_BY_COLUMN, :]
    return pixels.transpose(-1, -2).flatten(-2)


def from_unfold_order(merged: Tensor, *_: object) -> Tensor:
    """Undo ``to_unfold_order``."""
    pixels = merged.unflatten(-1, (-1, 4)).transpose(-1, -2)
    return pixels[..., _COLUMN_BY_COLUMN, :].flatten(-2)


_BLOCK = r'\.(\d+\.blocks\.\d+)\.'
TO_OURS = (
    Rule(r'layers\..+\.attn_mask', reason='computed, as it depends on the size of the images'),
    Rule(r'(?:norm|head)\.\w+', reason=CLASSIFIER),
    Rule(r'patch_embed\.proj\.(\w+)', r'patch_embed.projection.\1'),
    Rule(rf'layers{_BLOCK}attn\.(.+)', r'stages.\1.attn.w_msa.\2'),
    Rule(rf'layers{_BLOCK}mlp\.fc1\.(\w+)', r'stages.\1.ffn.layers.0.0.\2'),
    Rule(rf'layers{_BLOCK}mlp\.fc2\.(\w+)', r'stages.\1.ffn.layers.1.\2'),
    Rule(rf'layers{_BLOCK}(norm[12]\.\w+)', r'stages.\1.\2'),
    Rule(r'layers\.(\d+\.downsample\.\w+\.\w+)', r'stages.\1', _ORDER, to_unfold_order),
)
TO_AUTHORS = (
    Rule(r'patch_embed\.projection\.(\w+)', r'patch_embed.proj.\1'),
    Rule(rf'stages{_BLOCK}attn\.w_msa\.(.+)', r'layers.\1.attn.\2'),
    Rule(rf'stages{_BLOCK}ffn\.layers\.0\.0\.(\w+)', r'layers.\1.mlp.fc1.\2'),
    Rule(rf'stages{_BLOCK}ffn\.layers\.1\.(\w+)', r'layers.\1.mlp.fc2.\2'),
    Rule(rf'stages{_BLOCK}(norm[12]\.\w+)', r'layers.\1.\2'),
    Rule(r'stages\.(\d+\.downsample\.\w+\.\w+)', r'layers.\1', _ORDER, from_unfold_order),
)
NETWORK = Network(
    'swin',
    mark=r'(layers|stages)\.0\.blocks\.0\.attn\.(w_msa\.)?qkv\.weight',
    rules=TO_OURS,
    to_authors=TO_AUTHORS,
    fresh={
        r'norm[0-3]\.\w+': OWN_INITIALISATION,
        r'stages\..+\.relative_position_index': COMPUTED_INDEX,
    },
)
