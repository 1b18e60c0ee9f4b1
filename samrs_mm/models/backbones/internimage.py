"""InternImage, a convolutional network of deformable convolutions.

Source: Wang et al. 2023, arXiv:2211.05778; parameters named as in the released checkpoints.
"""

from collections.abc import Mapping
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from samrs_mm.models.layers.backbone import Backbone
from samrs_mm.models.layers.dcnv3 import DCNv3
from samrs_mm.models.layers.internimage import (
    InternImageBlock,
    InternImageDownsample,
    InternImageStem,
    wrapped_norm,
)
from samrs_mm.models.layers.vit import init_vit_weights


@MODELS.register_module()
class InternImage(Backbone):
    """Four levels of DCNv3 blocks.

    Every strided convolution rounds sizes up, so images of any size go through unpadded.

    Args:
        arch: A name in ``arch_settings``, or a mapping with the same keys:

            - ``channels``: Channels of the first level; each later level has twice as many.
            - ``depths``: Blocks of each level.
            - ``groups``: DCNv3 groups of each level; each divides its level's channels.
            - ``mlp_ratio``: Hidden channels of the MLPs, as a multiple of the level's.
        drop_path_rate: Probability of dropping a residual branch of the last block; it grows
            linearly from 0 at the first.
        frozen_stages: What doesn't train: -1 nothing, 0 the stem, n also the first n levels.

    Raises:
        RefusedError: An architecture that isn't known or can't be.
    """

    arch_settings = dict(
        t=dict(channels=64, depths=(4, 4, 18, 4), groups=(4, 8, 16, 32), mlp_ratio=4)
    )

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 't',
        in_channels: int = 3,
        drop_path_rate: float = 0.2,
        with_cp: bool = False,
        frozen_stages: int = -1,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(with_cp, frozen_stages, init_cfg)
        settings = self.sizes_of(arch)
        depths = settings['depths']
        self.out_channels = tuple(settings['channels'] << level for level in range(len(depths)))
        self.patch_embed = InternImageStem(in_channels, settings['channels'])
        rates = torch.linspace(0, drop_path_rate, sum(depths), device='cpu')
        self.levels = nn.ModuleList()
        for channels, groups, drop_paths in zip(
            self.out_channels, settings['groups'], rates.split(list(depths)), strict=True
        ):
            blocks = nn.ModuleList(
                InternImageBlock(channels, groups, settings['mlp_ratio'], drop_path)
                for drop_path in drop_paths.tolist()
            )
            level = nn.ModuleDict(dict(blocks=blocks, norm=wrapped_norm(channels)))
            if channels != self.out_channels[-1]:
                level['downsample'] = InternImageDownsample(channels)
            self.levels.append(level)
        self.freeze()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return maps ``(B, out_channels[i], ceil(H / s), ceil(W / s))`` for s = 4, 8, 16, 32.

        Args:
            images: ``(B, in_channels, H, W)`` of any size; normalised.
        """
        maps = self.patch_embed(images)  # (B, H/4, W/4, C): channels last within
        levels = []
        for level in self.levels:
            for block in level['blocks']:
                maps = self.run_block(block, maps)
            maps = level['norm'](maps)
            levels.append(maps.permute(0, 3, 1, 2).contiguous())  # (B, C, h, w)
            if 'downsample' in level:
                maps = level['downsample'](maps)
        return tuple(levels)

    def init_weights(self) -> None:
        """Draw the weights as for InternImage; then what ``init_cfg`` says."""
        init_vit_weights(self)
        for module in self.modules():
            if isinstance(module, DCNv3):
                module.reset_parameters()
        super().init_weights()

    def frozen_parts(self) -> list[nn.Module]:
        """Return the stem and the levels that don't train."""
        return [self.patch_embed, *self.levels][: self.frozen_stages + 1]
