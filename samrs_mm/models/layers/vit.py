"""Blocks of plain vision transformers, named as in the released checkpoints.

Tokens are ``(B, N, C)``, row by row over a grid of patches; ``dims`` is C.
"""

import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmengine.model.weight_init import constant_init, trunc_normal_init
from torch import Tensor, nn

from samrs_mm.models.layers.sizes import LEVELS

NORM_EPS = 1e-6


class PatchEmbed(nn.Module):
    """One token per patch, by a convolution whose kernel is its stride."""

    def __init__(self, in_channels: int, embed_dims: int, patch_size: int = 16) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, embed_dims, patch_size, patch_size)

    def forward(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return tokens ``(B, h * w, embed_dims)`` of images ``(B, in_channels, H, W)``, (h, w)."""
        maps = self.proj(images)
        return maps.flatten(2).transpose(1, 2), (maps.shape[2], maps.shape[3])


class Attention(nn.Module):
    """Global multi-head self-attention."""

    def __init__(self, dims: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dims, 3 * dims)
        self.proj = nn.Linear(dims, dims)

    def forward(self, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            tokens: ``(B, N, C)``, as the result.
            bias: Added to the scaled scores before the softmax; broadcasts to
                ``(B, num_heads, N, N)``.
        """
        batch, count, dims = tokens.shape
        qkv = self.qkv(tokens).view(batch, count, 3, self.num_heads, dims // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, C / heads)
        mask = None if bias is None else bias.to(query.dtype)
        heads = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.proj(heads.transpose(1, 2).reshape(batch, count, dims))


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, dims: int, hidden_dims: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dims, hidden_dims)
        self.fc2 = nn.Linear(hidden_dims, dims)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map each token ``(..., dims)`` by itself."""
        return self.fc2(F.gelu(self.fc1(tokens)))


class Block(nn.Module):
    """Pre-norm transformer block.

    Args:
        dims: Channels of a token.
        num_heads: Heads of the default attention.
        mlp_ratio: Hidden channels of the MLP, as a multiple of ``dims``.
        drop_path: Probability of dropping a residual branch; each branch draws its own.
        layer_scale: Whether ``gamma1`` and ``gamma2`` scale the branches; they start at 1.
        attention: What stands in for global ``Attention``: a module that maps tokens, and
            whatever else is given to ``forward``, to tokens.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_ratio: float = 4,
        drop_path: float = 0.0,
        layer_scale: bool = False,
        attention: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dims, eps=NORM_EPS)
        self.attn = Attention(dims, num_heads) if attention is None else attention
        self.norm2 = nn.LayerNorm(dims, eps=NORM_EPS)
        self.mlp = Mlp(dims, int(mlp_ratio * dims))
        self.drop_path = DropPath(drop_path)
        self.gamma1 = nn.Parameter(torch.ones(dims)) if layer_scale else None
        self.gamma2 = nn.Parameter(torch.ones(dims)) if layer_scale else None

    def forward(self, tokens: Tensor, *args: object) -> Tensor:
        """Attend and map tokens; ``args`` is what the attention takes after them."""
        branch = self.attn(self.norm1(tokens), *args)
        tokens = tokens + self.drop_path(_scaled(branch, self.gamma1))
        branch = self.mlp(self.norm2(tokens))
        return tokens + self.drop_path(_scaled(branch, self.gamma2))


class ChannelNorm(nn.Module):
    """Layer norm over the channels of maps."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(dims, eps=NORM_EPS)

    def forward(self, maps: Tensor) -> Tensor:
        """Normalise each pixel of maps ``(B, dims, H, W)``."""
        return self.ln(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class FeaturePyramid:
    """Mixin: four levels from maps of stride 16.

    The checkpoints hold the layers as the backbone's own attributes, so they are registered on
    it: call ``build_pyramid`` from its constructor.
    """

    out_indices: tuple[int, ...] = LEVELS

    def build_pyramid(self, dims: int) -> None:
        """Register ``fpn1`` to ``fpn4`` for maps of ``dims`` channels."""
        self.fpn1 = nn.Sequential(
            nn.ConvTranspose2d(dims, dims, 2, 2),
            ChannelNorm(dims),
            nn.GELU(),
            nn.ConvTranspose2d(dims, dims, 2, 2),
        )
        self.fpn2 = nn.Sequential(nn.ConvTranspose2d(dims, dims, 2, 2))
        self.fpn3 = nn.Identity()
        self.fpn4 = nn.MaxPool2d(2, 2)

    def pyramid(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Bring one map per level to its stride: 4, 8, 16 and 32, of the levels that are asked for.

        Args:
            maps: Four maps ``(B, dims, h, w)`` of stride 16, finest level first; h and w are at
                least 2. The fourth becomes ``(B, dims, h // 2, w // 2)``.
        """
        layers = self._layers()
        return tuple(layers[index](maps[index]) for index in self.out_indices)

    def idle_parts(self) -> list[nn.Module]:
        """Return the layers of levels that nobody asks for."""
        return [
            layer for index, layer in enumerate(self._layers()) if index not in self.out_indices
        ]

    def _layers(self) -> tuple[nn.Module, ...]:
        return self.fpn1, self.fpn2, self.fpn3, self.fpn4


def tokens_to_maps(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Lay tokens ``(B, h * w, C)`` out on their grid ``(h, w)``: ``(B, C, h, w)``."""
    return tokens.transpose(1, 2).unflatten(2, grid).contiguous()


def resize_pos_embed(
    pos_embed: Tensor, grid: tuple[int, int], source: tuple[int, int] | None = None
) -> Tensor:
    """Interpolate a position embedding bicubically to another grid.

    Args:
        pos_embed: ``(1, N, C)``, row by row, without class token.
        grid: Grid ``(h, w)`` to reach.
        source: Grid of ``pos_embed``; by default the square of N positions.

    Returns:
        ``(1, h * w, C)``; ``pos_embed`` itself if it has that grid.

    Raises:
        ValueError: If N isn't the number of positions of ``source``, or no square.
    """
    count = pos_embed.shape[1]
    if source is None:
        source = (math.isqrt(count), math.isqrt(count))
    if source[0] * source[1] != count:
        raise ValueError(f'{count} positions are no grid of {source[0]}x{source[1]}')
    if source == tuple(grid):
        return pos_embed
    maps = tokens_to_maps(pos_embed, source)
    resized = F.interpolate(maps, size=grid, mode='bicubic', align_corners=False)
    return resized.flatten(2).transpose(1, 2)


def init_vit_weights(module: nn.Module) -> None:
    """Draw linear weights from a normal of deviation 0.02; layer norms start at 1 and 0.

    Biases of linear layers start at 0. Other layers, such as convolutions, keep their values.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            trunc_normal_init(layer, std=0.02)
        elif isinstance(layer, nn.LayerNorm):
            constant_init(layer, 1.0)


def rescale_residuals(blocks: Iterable[Block]) -> None:
    """Divide what block l, counted from 1, adds to the tokens by ``sqrt(2 l)``."""
    with torch.no_grad():
        for depth, block in enumerate(blocks, 1):
            block.attn.proj.weight /= math.sqrt(2 * depth)
            block.mlp.fc2.weight /= math.sqrt(2 * depth)


def _scaled(branch: Tensor, gamma: Tensor | None) -> Tensor:
    return branch if gamma is None else gamma * branch
