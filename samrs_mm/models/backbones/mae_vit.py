"""Vision transformer with a class token, as MAE and what follows it pre-train it.

Sources: He et al. 2022, arXiv:2111.06377; SatMAE: Cong et al. 2022, arXiv:2207.08051; Prithvi:
Jakubik et al. 2023, arXiv:2310.18660.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model.weight_init import trunc_normal_
from mmseg.registry import MODELS
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.layers.backbone import Backbone
from samrs_mm.models.layers.sizes import pad_to_multiple
from samrs_mm.models.layers.vit import (
    NORM_EPS,
    Block,
    PatchEmbed,
    init_vit_weights,
    resize_pos_embed,
    tokens_to_maps,
)


@MODELS.register_module()
class MAEViT(Backbone):
    """Plain transformer of any patch size and any bands: SatMAE, Prithvi (one date), MAE, DeiT.

    Its four maps have the stride of the patches; a neck such as mmseg's ``Feature2Pyramid`` makes
    levels of them. The last one is normalised. Weights are named as MAE's authors do.
    ``pos_embed`` of another square grid is interpolated, when it is loaded and, for images of
    other sizes than ``img_size``, in each step.

    Args:
        arch: A name in ``arch_settings``, or a mapping with the same keys.
        in_channels: Bands of the images.
        patch_size: Side of a patch in pixels.
        img_size: Side in pixels of the images that ``pos_embed`` is for.
        out_blocks: After which blocks maps are taken, ascending, counted from 1; None takes the
            quarters of the depth.
        drop_path_rate: Probability of dropping a branch of the last block; rises linearly from 0.
        frozen_stages: -1 freezes nothing, 0 the embeddings of patches and positions, n also the
            first n blocks.

    ``out_channels`` are the channels of the maps.

    Raises:
        RefusedError: Sizes or blocks that can't be.
    """

    arch_settings = dict(
        s=dict(embed_dims=384, depth=12, num_heads=6, mlp_ratio=4),
        b=dict(embed_dims=768, depth=12, num_heads=12, mlp_ratio=4),
        l=dict(embed_dims=1024, depth=24, num_heads=16, mlp_ratio=4),
        h=dict(embed_dims=1280, depth=32, num_heads=16, mlp_ratio=4),
    )

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 'b',
        in_channels: int = 3,
        patch_size: int = 16,
        img_size: int = 224,
        out_blocks: Sequence[int] | None = None,
        drop_path_rate: float = 0.1,
        with_cp: bool = False,
        frozen_stages: int = -1,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(with_cp, frozen_stages, init_cfg)
        settings = self.sizes_of(arch)
        dims, depth = settings['embed_dims'], settings['depth']
        quarters = [math.ceil(depth * part / 4) for part in range(1, 5)]
        self.out_blocks = tuple(quarters if out_blocks is None else out_blocks)
        if list(self.out_blocks) != sorted({*self.out_blocks} & {*range(1, depth + 1)}):
            raise RefusedError(
                f'MAEViT: out_blocks={out_blocks!r}; give some of 1 to {depth}, ascending'
            )
        self.patch_size, self.grid = patch_size, (math.ceil(img_size / patch_size),) * 2
        self.out_channels = (dims,) * len(self.out_blocks)
        self.patch_embed = PatchEmbed(in_channels, dims, patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dims))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], dims))
        rates = torch.linspace(0, drop_path_rate, depth, device='cpu').tolist()
        self.blocks = nn.ModuleList(
            Block(dims, settings['num_heads'], settings['mlp_ratio'], rate) for rate in rates
        )
        self.norm = nn.LayerNorm(dims, eps=NORM_EPS)
        self.freeze()

    def init_weights(self) -> None:
        """Draw the weights; then load those of ``init_cfg``, if any."""
        init_vit_weights(self)
        trunc_normal_(self.pos_embed, std=0.02)
        trunc_normal_(self.cls_token, std=0.02)
        super().init_weights()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return maps ``(B, embed_dims, ceil(H / p), ceil(W / p))``, p the ``patch_size``.

        Args:
            images: ``(B, in_channels, H, W)`` of any size; normalised.
        """
        tokens, grid = self.patch_embed(pad_to_multiple(images, self.patch_size))  # (B, h * w, C)
        tokens = tokens + resize_pos_embed(self.pos_embed[:, 1:], grid)
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], dim=1)  # (B, 1 + h * w, C)
        maps = []
        for number, block in enumerate(self.blocks[: self.out_blocks[-1]], 1):
            tokens = self.run_block(block, tokens)
            if number in self.out_blocks:
                last = self.norm(tokens) if number == self.out_blocks[-1] else tokens
                maps.append(tokens_to_maps(last[:, 1:], grid))
        return tuple(maps)

    def frozen_parts(self) -> list[nn.Module | nn.Parameter]:
        """Return the embeddings and the blocks that don't train."""
        if self.frozen_stages < 0:
            return []
        embeddings = [self.patch_embed, self.pos_embed, self.cls_token]
        return [*embeddings, *self.blocks[: self.frozen_stages]]

    def idle_parts(self) -> list[nn.Module]:
        """Return the blocks behind the last map."""
        return [*self.blocks[self.out_blocks[-1] :]]

    def resizes_on_load(self, name: str, shape: tuple[int, ...]) -> bool:
        """Return whether a checkpoint's weight of another shape is interpolated to this one's."""
        if name != 'pos_embed' or len(shape) != 3:
            return False
        count, own = shape[1] - 1, tuple(self.pos_embed.shape)
        return (shape[0], shape[2]) == (own[0], own[2]) and math.isqrt(count) ** 2 == count > 0

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        key = f'{prefix}pos_embed'
        found = state_dict.get(key)
        if found is not None and found.shape != self.pos_embed.shape:
            if self.resizes_on_load('pos_embed', tuple(found.shape)):
                grid = resize_pos_embed(found[:, 1:], self.grid)
                state_dict = {**state_dict, key: torch.cat([found[:, :1], grid], dim=1)}
        super()._load_from_state_dict(state_dict, prefix, *args)
