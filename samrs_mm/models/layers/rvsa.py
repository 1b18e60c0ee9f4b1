"""Rotated varied-size window attention (RVSA).

Source: Wang et al. 2022, Advancing Plain Vision Transformer Towards Remote Sensing Foundation
Model, arXiv:2208.03987. Parameter names are those of the released weights.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.layers.sizes import at_least, cut, is_open, missing
from samrs_mm.models.layers.vit import tokens_to_maps
from samrs_mm.models.layers.windows import from_windows, to_windows

OFFSET_DIVISORS = ('released', 'corrected')


class RVSA(nn.Module):
    """Window attention whose keys and values come from a moved, scaled and turned window.

    Each head of each window predicts, from the window's mean feature, an offset, two scales
    and an angle; keys and values are sampled there, queries stay where they are.

    Args:
        dims: Channels of a token, a multiple of ``num_heads``.
        num_heads: Heads.
        window_size: Side of a window in tokens.
        offset_divisor: What a predicted offset is divided by before it moves a window.
            ``'released'``, as the released weights were trained: x by how many whole windows the
            unpadded map has over its height, y by how many over its width, but at least by 1
            (the authors' code divides by 0 on maps narrower than a window). ``'corrected'``: x by
            how many windows the padded map has side by side, y by how many one above another.

    Raises:
        RefusedError: An ``offset_divisor`` of another name.
    """

    def __init__(
        self, dims: int, num_heads: int, window_size: int = 7, offset_divisor: str = 'released'
    ) -> None:
        super().__init__()
        if offset_divisor not in OFFSET_DIVISORS:
            raise RefusedError(
                f'RVSA: offset_divisor={offset_divisor!r}; allowed: {", ".join(OFFSET_DIVISORS)}'
            )
        self.num_heads, self.window_size = num_heads, window_size
        self.offset_divisor = offset_divisor
        self.qkv = nn.Linear(dims, 3 * dims)
        self.proj = nn.Linear(dims, dims)
        self.sampling_offsets, self.sampling_scales, self.sampling_angles = (
            nn.Sequential(
                nn.AvgPool2d(window_size), nn.LeakyReLU(), nn.Conv2d(dims, parts * num_heads, 1)
            )
            for parts in (2, 2, 1)
        )
        span = 2 * window_size - 1
        self.rel_pos_h = nn.Parameter(torch.zeros(span, dims // num_heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(span, dims // num_heads))
        self.relative_position_bias_table = nn.Parameter(torch.empty(span**2, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        places = torch.arange(window_size)
        distances = places[:, None] - places + window_size - 1
        index = distances[:, None, :, None] * span + distances[None, :, None, :]
        self.register_buffer('distances', distances, persistent=False)
        self.register_buffer(
            'relative_position_index', index.flatten(2).flatten(0, 1), persistent=False
        )

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Attend within windows of tokens ``(B, h * w, dims)``, row by row.

        Their grid ``(h, w)`` is padded with zeros, half of them before, to multiples of the window.
        """
        size, heads = self.window_size, self.num_heads
        (height, width), dims = grid, tokens.shape[-1]
        below, right = missing(height, size), missing(width, size)
        top, left = below // 2, right // 2
        border = (left, right - left, top, below - top)

        points = self.sampling_points(F.pad(tokens_to_maps(tokens, grid), border), grid)
        qkv = F.pad(self.qkv(tokens).unflatten(1, grid), (0, 0, *border))
        query, key_value = qkv.split((dims, 2 * dims), dim=-1)
        query = to_windows(query, size).unflatten(2, (heads, -1)).transpose(1, 2)
        # (B * windows, heads, size ** 2, dims / heads), as query
        key, value = self._sample(key_value, points)
        bias = self.position_bias(query).to(query.dtype)
        attend = _attend if is_open(height, width) else F.scaled_dot_product_attention
        windows = attend(query, key, value, bias)
        maps = from_windows(windows.transpose(1, 2).flatten(2), size, height + below, width + right)
        maps = cut(cut(maps, 1, top, height), 2, left, width)
        return self.proj(maps.flatten(1, 2))

    def sampling_points(self, maps: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return where keys and values are read, in float32 whatever the precision of the rest.

        Args:
            maps: Normalised tokens ``(B, dims, H, W)``, padded to multiples of the window.
            grid: ``(h, w)`` of the map before padding.

        Returns:
            ``(B * num_heads, windows, window_size ** 2, 2)``: (x, y), where -1 and 1 are the
            centres of the first and the last token of the padded map; may lie beyond.
        """
        size = self.window_size
        rows, columns = maps.shape[-2:]
        counts = (rows // size, columns // size)
        offsets, scales, angles = (
            branch(maps).float().view(-1, parts, *counts, 1, 1)
            for branch, parts in (
                (self.sampling_offsets, 2),
                (self.sampling_scales, 2),
                (self.sampling_angles, 1),
            )
        )
        step_x, step_y, middle = 2 / (columns - 1), 2 / (rows - 1), (size - 1) / 2
        reach = torch.arange(size, device=maps.device) - middle
        x = step_x * reach * (1 + scales[:, 0])
        y = step_y * reach[:, None] * (1 + scales[:, 1])
        centre_y, centre_x = (
            step * (torch.arange(count, device=maps.device) * size + middle) - 1
            for step, count in zip((step_y, step_x), counts, strict=True)
        )
        divisor_x, divisor_y = self._divisors(grid, counts)
        move_x = centre_x[:, None, None] + offsets[:, 0] / divisor_x
        move_y = centre_y[:, None, None, None] + offsets[:, 1] / divisor_y
        sine, cosine = angles[:, 0].sin(), angles[:, 0].cos()
        turned = (x * cosine - y * sine + move_x, x * sine + y * cosine + move_y)
        return torch.stack(turned, dim=-1).reshape(-1, counts[0] * counts[1], size**2, 2)

    def _divisors(self, grid: tuple[int, int], counts: tuple[int, int]) -> tuple[int, int]:
        if self.offset_divisor == 'corrected':
            return counts[1], counts[0]
        return at_least(grid[0] // self.window_size, 1), at_least(grid[1] // self.window_size, 1)

    def _sample(self, key_value: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Read keys and values ``(B, H, W, 2 * dims)`` at the points of all heads.

        Returns:
            Keys and values, each ``(B * windows, num_heads, window_size ** 2, dims / num_heads)``.
        """
        batch, heads = len(key_value), self.num_heads
        maps = key_value.unflatten(3, (2, heads, -1)).permute(0, 4, 3, 5, 1, 2)
        maps = maps.flatten(2, 3).flatten(0, 1).float()  # (B * heads, 2 * width, H, W)
        sampled = F.grid_sample(maps, points, padding_mode='zeros', align_corners=True)
        sampled = sampled.to(key_value.dtype).view(batch, heads, 2, -1, *points.shape[1:3])
        key, value = sampled.permute(2, 0, 4, 1, 5, 3).flatten(1, 2)
        return key, value

    def position_bias(self, query: Tensor) -> Tensor:
        """Return what relative positions add to the logits.

        Args:
            query: ``(B * windows, num_heads, window_size ** 2, dims / num_heads)``, not scaled.

        Returns:
            ``(B * windows, num_heads, window_size ** 2, window_size ** 2)``.
        """
        query = query.unflatten(2, (self.window_size, -1))
        by_row = _by_place(query, self.rel_pos_h[self.distances])
        by_column = _by_place(query.transpose(2, 3), self.rel_pos_w[self.distances])
        by_column = by_column.transpose(2, 3)
        by_query = (by_row[..., :, None] + by_column[..., None, :]).flatten(4).flatten(2, 3)
        fixed = self.relative_position_bias_table[self.relative_position_index]
        return by_query + fixed.permute(2, 0, 1)


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Return scaled dot product attention, which asks whether there is one window only.

    All are ``(windows, heads, tokens, width)`` but for the bias ``(windows, heads, tokens,
    tokens)``.
    """
    joined = [each.flatten(0, 1) for each in (query, key, value, bias)]
    scores = torch.bmm(joined[0], joined[1].transpose(1, 2)) * query.shape[-1] ** -0.5
    mixed = torch.bmm((scores + joined[3]).softmax(-1), joined[2])
    return mixed.unflatten(0, query.shape[:2])


def _by_place(query: Tensor, table: Tensor) -> Tensor:
    """Return ``torch.einsum('bnyxc,ykc->bnyxk', query, table)``, which asks for sizes of 1.

    Args:
        query: ``(B, heads, rows, columns, width)``.
        table: ``(rows, keys, width)``.
    """
    batch, heads, _, columns, _ = query.shape
    rows = query.permute(2, 0, 1, 3, 4).flatten(1, 3)  # (rows, B * heads * columns, width)
    products = torch.bmm(rows, table.transpose(1, 2))
    return products.unflatten(1, (batch, heads, columns)).permute(1, 2, 0, 3, 4)
