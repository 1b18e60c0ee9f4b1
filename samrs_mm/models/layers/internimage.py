"""Parts of InternImage, named as in the released checkpoints; maps are ``(B, H, W, C)``.

Source: Wang et al. 2023, arXiv:2211.05778, section 3.2.
"""

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from samrs_mm.models.layers.dcnv3 import DCNv3, channels_last_norm
from samrs_mm.models.layers.vit import NORM_EPS, Mlp


class InternImageStem(nn.Module):
    """Two strided convolutions, down to a quarter of the size; ``channels`` is even."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels // 2, 3, stride=2, padding=1)
        self.norm1 = channels_last_norm(channels // 2)
        self.conv2 = nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1)
        self.norm2 = channels_last_norm(channels)

    def forward(self, images: Tensor) -> Tensor:
        """Turn images ``(B, in_channels, H, W)`` into ``(B, ceil(H/4), ceil(W/4), channels)``."""
        maps = F.gelu(self.norm1(self.conv1(images)))
        return self.norm2(self.conv2(maps.permute(0, 3, 1, 2)))


class InternImageBlock(nn.Module):
    """Pre-norm block of DCNv3 and MLP; ``gamma1`` and ``gamma2``, from 1, scale the branches.

    The MLP has ``mlp_ratio`` times as many hidden channels; each branch draws its own drop path.
    """

    def __init__(self, channels: int, groups: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.gamma1 = nn.Parameter(torch.ones(channels))
        self.gamma2 = nn.Parameter(torch.ones(channels))
        self.norm1 = wrapped_norm(channels)
        self.dcn = DCNv3(channels, groups)
        self.norm2 = wrapped_norm(channels)
        self.mlp = Mlp(channels, int(mlp_ratio * channels))
        self.drop_path = DropPath(drop_path)

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(B, H, W, channels)`` to the same shape."""
        maps = maps + self.drop_path(self.gamma1 * self.dcn(self.norm1(maps)))
        return maps + self.drop_path(self.gamma2 * self.mlp(self.norm2(maps)))


class InternImageDownsample(nn.Module):
    """Half the size, twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False)
        self.norm = channels_last_norm(2 * channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(B, H, W, channels)`` to ``(B, ceil(H/2), ceil(W/2), 2 * channels)``."""
        return self.norm(self.conv(maps.permute(0, 3, 1, 2)))


def wrapped_norm(channels: int) -> nn.Sequential:
    """Layer norm in a sequence, as in the checkpoints, but without permutations beside it."""
    return nn.Sequential(nn.LayerNorm(channels, eps=NORM_EPS))
