"""Deformable convolution, version 3: the operator of InternImage.

Source: Wang et al. 2023, arXiv:2211.05778, section 3.1, equation 2; parameters named as in the
released checkpoints. It is deformable attention with a head per group, one level and nine points,
so mmcv's op computes it.
"""

import torch
from mmengine.model.weight_init import constant_init, xavier_init
from torch import Tensor, nn
from torchvision.ops import Permute

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.layers.deformable_sampling import sample_deformably
from samrs_mm.models.layers.sizes import is_open
from samrs_mm.models.layers.vit import NORM_EPS

POINTS = 9


class DCNv3(nn.Module):
    """Weighted sum of nine samples around each pixel, at learnt offsets, per group of channels.

    A depthwise convolution of the input gives offsets and weights; the weights of a pixel's nine
    samples sum to 1. Without offsets the samples lie as those of a 3x3 convolution; beyond the map
    is 0.

    Raises:
        RefusedError: The groups don't divide the channels.
    """

    def __init__(self, channels: int, groups: int) -> None:
        if channels % groups:
            raise RefusedError(
                f'DCNv3: groups={groups} of channels={channels}; choose groups that divide them'
            )
        super().__init__()
        self.groups = groups
        self.dw_conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            channels_last_norm(channels),
            nn.GELU(),
        )
        self.offset = nn.Linear(channels, groups * POINTS * 2)
        self.mask = nn.Linear(channels, groups * POINTS)
        self.input_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start from no offsets, equal weights and Xavier projections."""
        for layer in (self.offset, self.mask):
            constant_init(layer, 0)
        for layer in (self.input_proj, self.output_proj):
            xavier_init(layer, distribution='uniform')

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve ``(B, H, W, channels)`` to the same shape."""
        batch, height, width, channels = maps.shape
        guide = self.dw_conv(maps.permute(0, 3, 1, 2))  # (B, H, W, channels)
        offsets = self.offset(guide).view(batch, height, width, self.groups, POINTS, 2)
        points = _regular_points(height, width, maps.device) + offsets  # (B, H, W, groups, 9, 2)
        locations = points / _as_tensor((width, height), points)
        weights = self.mask(guide).view(batch, -1, self.groups, 1, POINTS).softmax(-1)  # one level
        samples = sample_deformably(
            self.input_proj(maps).view(batch, -1, self.groups, channels // self.groups),
            [(height, width)],
            locations.view(batch, -1, self.groups, 1, POINTS, 2),
            weights,
        )
        return self.output_proj(samples).view(maps.shape)


def channels_last_norm(channels: int) -> nn.Sequential:
    """Layer norm of maps ``(B, channels, H, W)`` that returns ``(B, H, W, channels)``."""
    return nn.Sequential(Permute([0, 2, 3, 1]), nn.LayerNorm(channels, eps=NORM_EPS))


def _as_tensor(sizes: tuple[int, int], like: Tensor) -> Tensor:
    """Return two sizes ``(2,)``; open ones, too, which ``new_tensor`` would fix."""
    if is_open(*sizes):
        return torch.stack(
            [torch.full((), size, dtype=like.dtype, device=like.device) for size in sizes]
        )
    return like.new_tensor(sizes)


def _regular_points(height: int, width: int, device: torch.device) -> Tensor:
    """Return where a 3x3 convolution samples: ``(H, W, 1, 9, 2)`` as (x, y), columns first.

    In float32 pixels, so that adding offsets under autocast is exact to a small part of a pixel.
    """
    y = torch.arange(height, dtype=torch.float32, device=device)
    x = torch.arange(width, dtype=torch.float32, device=device)
    steps = torch.arange(-1, 2, dtype=torch.float32, device=device)
    centres = torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1) + 0.5  # (H, W, 2)
    return centres[:, :, None, None] + torch.cartesian_prod(steps, steps)
