"""Parts of ViT-Adapter: a convolutional pyramid that exchanges features with a plain ViT.

Source: Chen et al. 2023, arXiv:2205.08534. Names as in the released checkpoints. ``tokens`` are the
ViT's, ``(B, h * w, C)``; ``pyramid`` is the adapter's, ``(B, N, C)``: maps of strides 8, 16 and 32,
flattened row by row and joined. Both keep their shapes. ``dims`` is C.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model.weight_init import constant_init, trunc_normal_init, xavier_init
from torch import Tensor, nn

from samrs_mm.models.layers.checkpointing import run_block
from samrs_mm.models.layers.deformable_sampling import sample_deformably
from samrs_mm.models.layers.vit import NORM_EPS, tokens_to_maps

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

_POINTS = 4  # places in each map that a query looks at


class Grids(NamedTuple):
    """Where tokens and pyramid lie: sizes ``(h, w)``, and centres ``(N, 2)`` of their cells."""

    patches: list[tuple[int, int]]
    patch_centres: Tensor
    levels: list[tuple[int, int]]
    level_centres: Tensor

    @classmethod
    def of(cls, grid: tuple[int, int], device: torch.device) -> 'Self':
        """Derive all from the grid of patches ``(h, w)``, both even."""
        height, width = grid
        levels = [(2 * height, 2 * width), grid, (height // 2, width // 2)]
        return cls([grid], cell_centres([grid], device), levels, cell_centres(levels, device))


def cell_centres(shapes: Sequence[tuple[int, int]], device: torch.device) -> Tensor:
    """Return the centres of the cells of grids ``(h, w)``, row by row.

    They are ``(sum(h * w), 2)`` as (x, y) in 0..1, float32.
    """
    centres = []
    for height, width in shapes:
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        centres.append(torch.cartesian_prod(y, x).flip(-1))
    return torch.cat(centres)


class DeformableAttention(nn.Module):
    """Attention to a few learnt places around each query, without identity and dropout.

    mmcv's ``MultiScaleDeformableAttention`` has these layers, but adds its query, and takes the
    compiled op on a GPU whether mmcv was built with it or not. The values have ``value_ratio``
    times as many channels as the queries, and each query looks at ``num_levels`` maps.
    """

    def __init__(
        self, dims: int, num_heads: int, num_levels: int, value_ratio: float = 1.0
    ) -> None:
        super().__init__()
        self.samples = (num_heads, num_levels, _POINTS)
        value_dims = int(dims * value_ratio)
        self.sampling_offsets = nn.Linear(dims, math.prod(self.samples) * 2)
        self.attention_weights = nn.Linear(dims, math.prod(self.samples))
        self.value_proj = nn.Linear(dims, value_dims)
        self.output_proj = nn.Linear(value_dims, dims)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Look, with equal weights, 1, 2, ... cells away in one direction per head."""
        heads, levels, points = self.samples
        angles = torch.arange(heads) * (2 * math.pi / heads)
        direction = torch.stack([angles.cos(), angles.sin()], dim=-1)
        direction = direction / direction.abs().amax(-1, keepdim=True)
        steps = direction[:, None, None] * torch.arange(1, points + 1)[:, None]
        constant_init(self.sampling_offsets, 0)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(steps.expand(-1, levels, -1, -1).flatten())
        constant_init(self.attention_weights, 0)
        xavier_init(self.value_proj, distribution='uniform')
        xavier_init(self.output_proj, distribution='uniform')

    def forward(
        self, query: Tensor, centres: Tensor, value: Tensor, shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """Attend; returns the shape of ``query``.

        Args:
            query: ``(B, Q, dims)``.
            centres: Where each query stands, ``(Q, 2)`` as (x, y) in 0..1.
            value: Levels, flattened and joined, ``(B, sum(h * w), dims)``.
            shapes: ``(h, w)`` of each level.
        """
        heads, levels, points = self.samples
        sizes = torch.tensor([(w, h) for h, w in shapes], device=query.device, dtype=centres.dtype)
        offsets = self.sampling_offsets(query).unflatten(-1, (*self.samples, 2))
        locations = centres[:, None, None, None] + offsets / sizes[:, None]
        weights = self.attention_weights(query).unflatten(-1, (heads, levels * points))
        weights = weights.softmax(-1).unflatten(-1, (levels, points))
        values = self.value_proj(value).unflatten(-1, (heads, -1))
        return self.output_proj(sample_deformably(values, shapes, locations, weights))


class SpatialPriorModule(nn.Module):
    """A small convolutional network: the pyramid's start.

    Its stem has ``channels``, the next maps 2, 4 and 4 times as many, the results ``dims``.
    """

    def __init__(
        self, in_channels: int, channels: int, dims: int, norm_cfg: dict[str, Any]
    ) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
            return [
                nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
                build_norm_layer(norm_cfg, outputs)[1],
                nn.ReLU(inplace=True),
            ]

        self.stem = nn.Sequential(
            *conv(in_channels, channels, 2),
            *conv(channels, channels, 1),
            *conv(channels, channels, 1),
            nn.MaxPool2d(3, 2, padding=1),
        )
        self.conv2 = nn.Sequential(*conv(channels, 2 * channels, 2))
        self.conv3 = nn.Sequential(*conv(2 * channels, 4 * channels, 2))
        self.conv4 = nn.Sequential(*conv(4 * channels, 4 * channels, 2))
        self.fc1 = nn.Conv2d(channels, dims, 1)
        self.fc2 = nn.Conv2d(2 * channels, dims, 1)
        self.fc3 = nn.Conv2d(4 * channels, dims, 1)
        self.fc4 = nn.Conv2d(4 * channels, dims, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return maps ``(B, dims, H/s, W/s)`` for strides s of 4, 8, 16, 32.

        Args:
            images: ``(B, in_channels, H, W)``, sides multiples of 32.
        """
        first = self.stem(images)
        second = self.conv2(first)
        third = self.conv3(second)
        fourth = self.conv4(third)
        return self.fc1(first), self.fc2(second), self.fc3(third), self.fc4(fourth)


class LevelConv(nn.Module):
    """Depthwise 3x3 convolution of each level of the pyramid, by the same weights."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dims, dims, 3, padding=1, groups=dims)

    def forward(self, pyramid: Tensor, shapes: Sequence[tuple[int, int]]) -> Tensor:
        """Convolve ``(B, N, dims)``, the levels' sizes ``(h, w)`` being ``shapes``."""
        levels = pyramid.split([height * width for height, width in shapes], dim=1)
        maps = (tokens_to_maps(level, shape) for level, shape in zip(levels, shapes, strict=True))
        return torch.cat([self.dwconv(level).flatten(2) for level in maps], dim=2).transpose(1, 2)


class ConvFFN(nn.Module):
    """MLP with a depthwise convolution before its exact GELU."""

    def __init__(self, dims: int, hidden_dims: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dims, hidden_dims)
        self.dwconv = LevelConv(hidden_dims)
        self.fc2 = nn.Linear(hidden_dims, dims)

    def forward(self, pyramid: Tensor, shapes: Sequence[tuple[int, int]]) -> Tensor:
        """Map ``(B, N, dims)``, the levels' sizes ``(h, w)`` being ``shapes``."""
        return self.fc2(F.gelu(self.dwconv(self.fc1(pyramid), shapes)))


class Injector(nn.Module):
    """Lets the ViT's tokens attend to the pyramid; adds nothing at first, as ``gamma`` is 0.

    ``attention`` is what ``DeformableAttention`` takes besides.
    """

    def __init__(self, dims: int, **attention: Any) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(dims, eps=NORM_EPS)
        self.feat_norm = nn.LayerNorm(dims, eps=NORM_EPS)
        self.attn = DeformableAttention(dims, num_levels=3, **attention)
        self.gamma = nn.Parameter(torch.zeros(dims))

    def forward(self, tokens: Tensor, pyramid: Tensor, grids: Grids) -> Tensor:
        """Add to the tokens what they find in the pyramid."""
        query, value = self.query_norm(tokens), self.feat_norm(pyramid)
        return tokens + self.gamma * self.attn(query, grids.patch_centres, value, grids.levels)


class Extractor(nn.Module):
    """Lets the pyramid attend to the ViT's tokens.

    Args:
        dims: Channels.
        ffn_ratio: Hidden channels of the ``ConvFFN``, as a part of ``dims``.
        drop_path: Probability of dropping the ``ConvFFN``'s branch.
        **attention: Further arguments of ``DeformableAttention``.
    """

    def __init__(self, dims: int, ffn_ratio: float, drop_path: float, **attention: Any) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(dims, eps=NORM_EPS)
        self.feat_norm = nn.LayerNorm(dims, eps=NORM_EPS)
        self.attn = DeformableAttention(dims, num_levels=1, **attention)
        self.ffn = ConvFFN(dims, int(dims * ffn_ratio))
        self.ffn_norm = nn.LayerNorm(dims, eps=NORM_EPS)
        self.drop_path = DropPath(drop_path)

    def forward(self, pyramid: Tensor, tokens: Tensor, grids: Grids) -> Tensor:
        """Add to the pyramid what it finds in the tokens."""
        query, value = self.query_norm(pyramid), self.feat_norm(tokens)
        pyramid = pyramid + self.attn(query, grids.level_centres, value, grids.patches)
        return pyramid + self.drop_path(self.ffn(self.ffn_norm(pyramid), grids.levels))


class InteractionBlock(nn.Module):
    """Some of the ViT's blocks, between an injector and an extractor or more.

    Args:
        dims: Channels.
        num_extra: Extractors after the first.
        with_cp: Whether to recompute activations in training instead of keeping them.
        ffn_ratio: As of ``Extractor``.
        drop_path: As of ``Extractor``.
        **attention: Further arguments of ``DeformableAttention``.
    """

    def __init__(
        self,
        dims: int,
        num_extra: int,
        with_cp: bool,
        ffn_ratio: float,
        drop_path: float,
        **attention: Any,
    ) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.injector = Injector(dims, **attention)
        self.extractor = Extractor(dims, ffn_ratio, drop_path, **attention)
        self.extra_extractors = nn.ModuleList(
            Extractor(dims, ffn_ratio, drop_path, **attention) for _ in range(num_extra)
        )

    def forward(
        self, tokens: Tensor, pyramid: Tensor, blocks: Sequence[nn.Module], grids: Grids
    ) -> tuple[Tensor, Tensor]:
        """Inject, run the ViT's blocks, which map tokens to tokens, and extract."""
        recompute = self.with_cp and self.training
        tokens = run_block(self.injector, tokens, pyramid, grids, recompute=recompute)
        for block in blocks:
            tokens = run_block(block, tokens, recompute=recompute)
        for extractor in (self.extractor, *self.extra_extractors):
            pyramid = run_block(extractor, pyramid, tokens, grids, recompute=recompute)
        return tokens, pyramid


def init_adapter_weights(module: nn.Module) -> None:
    """Initialise a part of the adapter; norm layers and injectors' ``gamma`` keep their values."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            fan_out = math.prod(layer.kernel_size) * layer.out_channels // layer.groups
            nn.init.normal_(layer.weight, std=math.sqrt(2 / fan_out))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            trunc_normal_init(layer, std=0.02)
    for layer in module.modules():
        if isinstance(layer, DeformableAttention):
            layer.reset_parameters()
