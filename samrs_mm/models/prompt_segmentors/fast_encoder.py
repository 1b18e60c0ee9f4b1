"""The blocks of SAM's image encoder without their matrix of all positions, equal up to rounding.

``segment_anything`` adds two position scores, of row and column, to a matrix of all queries and
keys, 805 MB for each global block of ViT-B. Here ``scaled_dot_product_attention`` does the work:

* on a GPU the scores are folded into longer queries, and the keys get the one-hot of their row and
  column, so that kernels for plain attention take them;
* on a CPU, where longer queries cost as much as they save, the scores of a few rows of one head at
  a time fit into the cache.

Windows are cut after the queries, keys and values are made, and put together before the last
projection, so that no layer computes the pixels that fill up windows: a sixth at 64 x 64.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

SCORES_AT_ONCE = 2**22
"""Position scores made at once on a CPU."""


def use_fast_blocks(encoder: nn.Module, compiled: bool = False) -> None:
    """Let the blocks of a ``segment_anything`` image encoder, or one like it, compute so.

    Its modules and parameters stay as they are. ``compiled`` runs the blocks through
    ``torch.compile``, which then compiles two, one with windows and one without, and not the whole.
    """
    run = torch.compile(run_block) if compiled else run_block
    for block in encoder.blocks:
        block.forward = partial(run, block)


def run_block(block: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return what ``block(x)`` does, ``x`` being ``(B, H, W, C)``."""
    x = x + attend(block.attn, block.norm1(x), block.window_size)
    return x + block.mlp(block.norm2(x))


def attend(attention: nn.Module, x: torch.Tensor, window: int = 0) -> torch.Tensor:
    """Return what ``attention`` makes of ``(B, H, W, C)``, in windows of that side unless 0."""
    batch, height, width, channels = x.shape
    if window:
        qkv = _windows(attention.qkv, x, window)
    else:
        qkv = attention.qkv(x)
    rows, columns = qkv.shape[1:3]
    qkv = qkv.reshape(len(qkv), rows * columns, 3, attention.num_heads, -1)
    query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    scores = _position_scores(attention, query, rows, columns)
    kind = blocked if x.device.type == 'cpu' else folded
    seen = kind(query, key, value, *scores).transpose(1, 2)
    if window:
        down, across = -(-height // window), -(-width // window)
        seen = seen.reshape(batch, down, across, window, window, channels).transpose(2, 3)
        seen = seen.reshape(batch, down * window, across * window, channels)
        seen = seen[:, :height, :width]
    return attention.proj(seen.reshape(batch, height, width, channels))


def _windows(layer: nn.Linear, x: torch.Tensor, window: int) -> torch.Tensor:
    """Return ``layer`` of ``(B, H, W, C)`` cut into windows: ``(B * n, window, window, D)``.

    Pixels that fill up the last ones are zeros before the layer, of which it makes its bias; the
    others go through it before they are cut.
    """
    height, width = x.shape[1:3]
    x = F.linear(x, layer.weight)
    x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    x = x.unflatten(1, (-1, window)).unflatten(3, (-1, window)).transpose(2, 3)
    x = x.reshape(-1, window, window, x.shape[-1])
    return x if layer.bias is None else x + layer.bias.to(x.dtype)


def folded(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    rows: torch.Tensor,
    columns: torch.Tensor,
) -> torch.Tensor:
    """Return attention ``(B, heads, H * W, c)`` by queries and keys of ``c + H + W`` channels.

    Args:
        query: ``(B, heads, H * W, c)``.
        key: The same.
        value: The same.
        rows: Score of each query with the keys of a row, ``(B, heads, H, W, H)``.
        columns: The same of a column, ``(B, heads, H, W, W)``.
    """
    height, width = rows.shape[-1], columns.shape[-1]
    channels = query.shape[-1]
    places = torch.cat([rows, columns], -1).flatten(2, 3)
    row = torch.eye(height, dtype=key.dtype, device=key.device).repeat_interleave(width, 0)
    column = torch.eye(width, dtype=key.dtype, device=key.device).repeat(height, 1)
    one_hot = torch.cat([row, column], 1).expand(*key.shape[:2], -1, -1)
    seen = F.scaled_dot_product_attention(
        torch.cat([query * channels**-0.5, places], -1),
        torch.cat([key, one_hot], -1),
        F.pad(value, (0, height + width)),  # one width for all three
        scale=1.0,
    )
    return seen[..., :channels]


def blocked(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    rows: torch.Tensor,
    columns: torch.Tensor,
) -> torch.Tensor:
    """Return the same as ``folded``, some rows of one head at a time."""
    batch, heads, length = query.shape[:3]
    height, width = rows.shape[2:4]
    step = max(1, SCORES_AT_ONCE // (batch * width * length))
    seen = torch.empty_like(query)
    for head in range(heads):
        of_head = slice(head, head + 1)
        for top in range(0, height, step):
            block = slice(top, top + step)
            places = slice(top * width, (top + step) * width)
            scores = rows[:, of_head, block, :, :, None] + columns[:, of_head, block, :, None]
            seen[:, of_head, places] = F.scaled_dot_product_attention(
                query[:, of_head, places],
                key[:, of_head],
                value[:, of_head],
                attn_mask=scores.flatten(4).flatten(2, 3),
            )
    return seen


def _position_scores(
    attention: nn.Module, query: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each query's scores with the rows and with the columns of keys; see ``folded``."""
    placed = query.unflatten(2, (height, width))
    by_row = relative(attention.rel_pos_h, height)
    by_column = relative(attention.rel_pos_w, width)
    return (
        torch.einsum('bnhwc,hkc->bnhwk', placed, by_row),
        torch.einsum('bnhwc,wkc->bnhwk', placed, by_column),
    )


def relative(table: torch.Tensor, size: int) -> torch.Tensor:
    """Return the entries ``(size, size, c)`` of a table of ``2 * size - 1`` distances."""
    steps = torch.arange(size, device=table.device)
    return table[steps[:, None] - steps[None] + size - 1]
