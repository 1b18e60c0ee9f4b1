"""The attention of SAM's image encoder in less memory, equal bit for bit, on a CPU in float32.

``segment_anything`` adds position scores to the matrix of all queries and keys, and takes its
softmax, in copies of it, 805 MB each in a global block of ViT-B. Here both are done in place: the
same operations in the same order.
"""

from functools import partial

import torch
from torch import nn

from samrs_mm.models.prompt_segmentors.fast_encoder import relative


def use_attention_in_place(encoder: nn.Module) -> None:
    """Let the blocks of a ``segment_anything`` image encoder, or one like it, attend so.

    Its modules and parameters stay as they are.
    """
    for block in encoder.blocks:
        block.attn.forward = partial(attend_in_place, block.attn)


def attend_in_place(attention: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return what ``attention(x)`` does, ``x`` being ``(B, H, W, C)`` float32."""
    batch, height, width, _ = x.shape
    heads, length = attention.num_heads, height * width
    qkv = attention.qkv(x).reshape(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = qkv.reshape(3, batch * heads, length, -1).unbind(0)
    scores = (query * attention.scale) @ key.transpose(-2, -1)
    placed = query.reshape(batch * heads, height, width, -1)
    rows = torch.einsum('bhwc,hkc->bhwk', placed, relative(attention.rel_pos_h, height))
    columns = torch.einsum('bhwc,wkc->bhwk', placed, relative(attention.rel_pos_w, width))
    by_place = scores.view(batch * heads, height, width, height, width)
    by_place.add_(rows[..., None]).add_(columns[..., None, :])
    torch.softmax(scores, -1, out=scores)
    seen = (scores @ value).view(batch, heads, height, width, -1)
    return attention.proj(seen.permute(0, 2, 3, 1, 4).reshape(batch, height, width, -1))
