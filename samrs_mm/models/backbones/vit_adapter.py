"""Plain vision transformer with a convolutional adapter.

Source: Chen et al. 2023, arXiv:2205.08534; parameter names as in the released SAMRS weights.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model.weight_init import trunc_normal_
from mmseg.registry import MODELS
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.layers.adapter import (
    Grids,
    InteractionBlock,
    SpatialPriorModule,
    init_adapter_weights,
)
from samrs_mm.models.layers.backbone import Backbone
from samrs_mm.models.layers.sizes import crop_levels, pad_to_multiple
from samrs_mm.models.layers.vit import (
    Block,
    PatchEmbed,
    init_vit_weights,
    resize_pos_embed,
    tokens_to_maps,
)


@MODELS.register_module()
class ViTAdapter(Backbone):
    """Plain ViT beside a pyramid; both exchange features by deformable attention, four times.

    A level is the pyramid's map plus the ViT's, resized, after one quarter of the blocks.

    Args:
        arch: A name in ``arch_settings``, or a mapping with the same keys:

            - ``embed_dims``: Channels everywhere but within the branches.
            - ``depth``: Blocks of the ViT, a multiple of 4.
            - ``num_heads``: Heads of its attention.
            - ``mlp_ratio``: Hidden channels of its MLPs, as a multiple of ``embed_dims``.
            - ``conv_dims``: Channels of the first convolutions.
            - ``deform_heads``: Heads of the deformable attention.
            - ``deform_ratio``: Channels of its values, as a part of ``embed_dims``.
            - ``ffn_ratio``: Hidden channels of the pyramid's MLPs, as a part of ``embed_dims``.
        img_size: Side of the images, in pixels, that the position embedding was learnt on; it
            is interpolated for others.
        drop_path_rate: Probability of dropping a residual branch of the ViT's last block; it grows
            linearly from 0 at the first. The pyramid's MLPs have the last one's.
        norm_cfg: Config of the batch norms; synchronise them over GPUs.
        frozen_stages: What of the ViT doesn't train: -1 nothing, 0 the embeddings of patches and
            positions, n also the first n blocks. The adapter always trains.

    Raises:
        RefusedError: An architecture that isn't known or can't be.
    """

    arch_settings = dict(
        b=dict(
            embed_dims=768,
            depth=12,
            num_heads=12,
            mlp_ratio=4,
            conv_dims=64,
            deform_heads=12,
            deform_ratio=0.5,
            ffn_ratio=0.25,
        )
    )
    patch_size = 16

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 'b',
        in_channels: int = 3,
        img_size: int = 224,
        drop_path_rate: float = 0.3,
        norm_cfg: Mapping[str, Any] | None = None,
        with_cp: bool = False,
        frozen_stages: int = -1,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(with_cp, frozen_stages, init_cfg)
        settings = self.sizes_of(arch)
        dims, depth = settings['embed_dims'], settings['depth']
        if depth % 4:
            raise RefusedError(f'ViTAdapter: arch.depth={depth}; give a multiple of 4')
        norm_cfg = dict(norm_cfg or dict(type='BN'))
        self.out_channels = (dims,) * 4

        self.patch_embed = PatchEmbed(in_channels, dims, self.patch_size)
        positions = (img_size // self.patch_size) ** 2
        # The first is the class token's: never used, but the checkpoints have it.
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + positions, dims))
        rates = torch.linspace(0, drop_path_rate, depth, device='cpu').tolist()
        self.blocks = nn.ModuleList(
            Block(dims, settings['num_heads'], settings['mlp_ratio'], rate, layer_scale=True)
            for rate in rates
        )

        self.spm = SpatialPriorModule(in_channels, settings['conv_dims'], dims, norm_cfg)
        self.level_embed = nn.Parameter(torch.zeros(3, dims))
        self.interactions = nn.ModuleList(
            InteractionBlock(
                dims,
                num_extra,
                with_cp,
                ffn_ratio=settings['ffn_ratio'],
                drop_path=drop_path_rate,
                num_heads=settings['deform_heads'],
                value_ratio=settings['deform_ratio'],
            )
            for num_extra in (0, 0, 0, 2)
        )
        self.up = nn.ConvTranspose2d(dims, dims, 2, 2)
        for level in range(1, 5):
            self.add_module(f'norm{level}', build_norm_layer(norm_cfg, dims)[1])
        self.freeze()

    def init_weights(self) -> None:
        """Draw the ViT's weights as ViTs do, the adapter's as its authors; then use ``init_cfg``.

        The adapter's authors leave the ViT at PyTorch's defaults, as it is always loaded.
        """
        init_vit_weights(self.blocks)
        trunc_normal_(self.pos_embed, std=0.02)
        for part in (self.spm, self.interactions, self.up):
            init_adapter_weights(part)
        nn.init.normal_(self.level_embed)
        super().init_weights()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return maps ``(B, embed_dims, ceil(H / s), ceil(W / s))`` for s = 4, 8, 16, 32.

        Args:
            images: ``(B, in_channels, H, W)`` of any size; normalised.
        """
        height, width = images.shape[-2:]
        images = pad_to_multiple(images, 32)
        finest, *maps = self.spm(images)  # (B, C, h, w) of strides 4; 8, 16, 32
        pyramid = torch.cat(  # (B, N, C)
            [
                level.flatten(2).transpose(1, 2) + embed
                for level, embed in zip(maps, self.level_embed, strict=True)
            ],
            dim=1,
        )
        tokens, grid = self.patch_embed(images)  # (B, h * w, C)
        tokens = tokens + resize_pos_embed(self.pos_embed[:, 1:], grid)
        grids = Grids.of(grid, images.device)
        stages = []
        quarter = len(self.blocks) // 4
        for index, interaction in enumerate(self.interactions):
            blocks = self.blocks[index * quarter : (index + 1) * quarter]
            tokens, pyramid = interaction(tokens, pyramid, blocks, grids)
            stages.append(tokens_to_maps(tokens, grid))
        parts = pyramid.split([h * w for h, w in grids.levels], dim=1)
        second, third, fourth = map(tokens_to_maps, parts, grids.levels)
        levels = (self.up(second) + finest, second, third, fourth)
        norms = (self.norm1, self.norm2, self.norm3, self.norm4)
        joined = [
            norm(level + F.interpolate(stage, level.shape[2:], mode='bilinear'))
            for norm, level, stage in zip(norms, levels, stages, strict=True)
        ]
        return crop_levels(joined, height, width)

    def frozen_parts(self) -> list[nn.Module | nn.Parameter]:
        """Return the ViT's embeddings and blocks that don't train."""
        if self.frozen_stages < 0:
            return []
        return [self.pos_embed, self.patch_embed, *self.blocks[: self.frozen_stages]]
