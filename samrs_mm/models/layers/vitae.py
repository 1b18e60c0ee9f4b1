"""Cells of ViTAEv2: attention and convolutions side by side.

Source: Zhang et al. 2023, ViTAEv2, arXiv:2202.10108. Maps inside a stage are ``(B, H, W, C)``,
which are the tokens, row by row; a convolution sees them as a view in channels-last memory.
Attributes have the names of the released weights.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from samrs_mm.models.layers.sizes import cut, missing, must_pad
from samrs_mm.models.layers.vit import Mlp
from samrs_mm.models.layers.windows import from_windows, to_windows


class PyramidReduction(nn.Module):
    """Shrinks a map by convolutions of several dilations side by side (PRM).

    There is a convolution for each of ``dilations``; all have the stride ``ratio``: sides that are
    multiples of it become exactly ``side / ratio``.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int,
        dilations: Sequence[int],
        ratio: int,
    ):
        super().__init__()
        self.convs = nn.ModuleList()
        for dilation in dilations:
            excess = (kernel_size - 1) * dilation + 1 - ratio
            conv = nn.Conv2d(
                in_channels, channels, kernel_size, ratio, -(-excess // 2), dilation=dilation
            )
            self.convs.append(nn.Sequential(conv, nn.GELU()))

    def forward(self, maps: Tensor) -> Tensor:
        """Shrink maps ``(B, in_channels, H, W)``.

        Returns:
            ``(B, H / ratio, W / ratio, len(dilations) * channels)``, in the order of dilations.
        """
        return torch.cat([conv(maps) for conv in self.convs], dim=1).permute(0, 2, 3, 1)


class ParallelConv(nn.Sequential):
    """Three 3x3 convolutions of ``(B, C, H, W)``, batch norm and SiLU between them (PCM).

    ``hidden_channels`` are those after the first and the second; ``ratio`` is 1, 2 or 4: strides of
    2 come first.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: tuple[int, int],
        out_channels: int,
        groups: int,
        ratio: int = 1,
    ):
        first, second = hidden_channels
        strides = (min(ratio, 2), max(ratio // 2, 1))
        super().__init__(
            nn.Conv2d(in_channels, first, 3, strides[0], 1, groups=groups),
            nn.BatchNorm2d(first),
            nn.SiLU(),
            nn.Conv2d(first, second, 3, strides[1], 1, groups=groups),
            nn.BatchNorm2d(second),
            nn.SiLU(),
            nn.Conv2d(second, out_channels, 3, 1, 1, groups=groups),
        )


class MapAttention(nn.Module):
    """Self-attention over a whole map or inside windows, without any notion of position.

    Maps are padded with zeros at the right and the bottom to whole windows. The padding takes part
    as tokens, as it did when the released weights were trained.

    Args:
        in_channels: Channels of the map.
        channels: Channels of queries, keys, values and the result.
        num_heads: Heads.
        window_size: Side of a window in tokens; None attends to the whole map.
        add_values: Whether each token's own value is added to the result; then, as released,
            queries, keys and values have no bias.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_heads: int,
        window_size: int | None,
        add_values: bool = False,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.window_size = window_size
        self.add_values = add_values
        self.qkv = nn.Linear(in_channels, 3 * channels, bias=not add_values)
        self.proj = nn.Linear(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Mix the tokens of a map ``(B, H, W, in_channels)`` into ``(B, H, W, channels)``."""
        _, height, width, _ = maps.shape
        size = self.window_size
        if size is None:
            return self._mix(maps.flatten(1, 2)).unflatten(1, (height, width))
        below, right = missing(height, size), missing(width, size)
        if must_pad(below, right):
            maps = F.pad(maps, (0, 0, 0, right, 0, below))
        mixed = self._mix(to_windows(maps, size))
        mixed = from_windows(mixed, size, height + below, width + right)
        return cut(cut(mixed, 1, 0, height), 2, 0, width)

    def _mix(self, tokens: Tensor) -> Tensor:
        """Attend inside each of ``(groups, N, in_channels)``."""
        heads = self.qkv(tokens).unflatten(-1, (3, self.num_heads, -1))
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)  # each (groups, heads, N, width)
        mixed = F.scaled_dot_product_attention(queries, keys, values)
        result = self.proj(mixed.transpose(1, 2).flatten(2))
        return result + values.transpose(1, 2).flatten(2) if self.add_values else result


class ReductionAttention(nn.Module):
    """The tokens' part of a reduction cell: attention without a residual, then a perceptron.

    Without a ``window_size`` attention is to the whole map, and adds the values.
    """

    def __init__(self, in_channels: int, channels: int, num_heads: int, window_size: int | None):
        super().__init__()
        self.norm1 = nn.LayerNorm(in_channels, eps=1e-5)
        self.attn = MapAttention(
            in_channels, channels, num_heads, window_size, add_values=window_size is None
        )
        self.norm2 = nn.LayerNorm(channels, eps=1e-5)
        self.mlp = Mlp(channels, channels)

    def forward(self, tokens: Tensor, parallel: Tensor) -> Tensor:
        """Join tokens ``(B, H, W, in_channels)`` with the convolutions' ``(B, H, W, channels)``."""
        joined = self.attn(self.norm1(tokens)) + parallel
        return joined + self.mlp(self.norm2(joined))


class ReductionCell(nn.Module):
    """Shrinks a map, ``ratio`` = 1, 2 or 4 times, and widens it (RC).

    The pyramid's convolutions have ``embed_channels``, and so have the parallel ones but for the
    last; ``groups`` are the parallel ones'.
    """

    def __init__(
        self,
        in_channels: int,
        embed_channels: int,
        channels: int,
        ratio: int,
        kernel_size: int,
        dilations: Sequence[int],
        groups: int,
        num_heads: int,
        window_size: int | None,
    ):
        super().__init__()
        self.PRM = PyramidReduction(in_channels, embed_channels, kernel_size, dilations, ratio)
        self.PCM = ParallelConv(
            in_channels, (embed_channels, embed_channels), channels, groups, ratio
        )
        self.attn = ReductionAttention(
            len(dilations) * embed_channels, channels, num_heads, window_size
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Shrink ``(B, in_channels, H, W)`` to ``(B, H / ratio, W / ratio, channels)``.

        The sides are multiples of the ratio.
        """
        return self.attn(self.PRM(maps), self.PCM(maps).permute(0, 2, 3, 1))


class NormalCell(nn.Module):
    """Attention and convolutions side by side on the same map, then a perceptron (NC).

    The ``groups`` are those of the convolutions. Each branch is dropped on its own.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        groups: int,
        window_size: int | None,
        drop_path: float = 0.0,
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = MapAttention(channels, channels, num_heads, window_size)
        self.PCM = ParallelConv(channels, (4 * channels, channels), channels, groups)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = Mlp(channels, 4 * channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, maps: Tensor) -> Tensor:
        """Refine maps ``(B, H, W, channels)``."""
        parallel = self.PCM(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        maps = maps + self.drop_path(self.attn(self.norm1(maps))) + self.drop_path(parallel)
        return maps + self.drop_path(self.mlp(self.norm2(maps)))
