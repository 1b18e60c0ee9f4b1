"""Plain vision transformer, with BEiT as a variant, under four levels of features.

Sources: Dosovitskiy et al. 2021, arXiv:2010.11929; Bao et al. 2022, arXiv:2106.08254.
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
from samrs_mm.models.layers.beit import RelativeAttention, relative_index
from samrs_mm.models.layers.sizes import LEVELS, crop_levels, pad_to_multiple
from samrs_mm.models.layers.vit import (
    NORM_EPS,
    Block,
    FeaturePyramid,
    PatchEmbed,
    init_vit_weights,
    rescale_residuals,
    resize_pos_embed,
    tokens_to_maps,
)

_PATCH_SIZE = 16
_LEAST_SIDE = 32
_LAYER_SCALE = 0.1
_VARIANTS = ('plain', 'beit')


@MODELS.register_module()
class ViT(FeaturePyramid, Backbone):
    """Vision transformer whose last map, normalised, becomes four levels.

    There are two variants:

    - ``'plain'``: absolute position embedding, no class token. The paper's ViT-B, and also what
      the authors trained as BEiT: their weights "BEiT + SEP" load into this variant.
    - ``'beit'``: BEiT as it was pre-trained. Instead of ``pos_embed`` each block has a table of
      biases by relative position, its branches are scaled by ``gamma1`` and ``gamma2``, and a
      class token takes part in attention: without it each softmax would be over other keys than
      in pre-training, and the features would be other ones. It is dropped at the end.

    Checkpoints of another ``img_size`` load: position embeddings and tables of square grids are
    interpolated to this one's. Images of other sizes than ``img_size`` are taken too, with an
    interpolation in each step.

    Args:
        arch: ``'b'``, or a mapping with the keys of ``arch_settings['b']``.
        img_size: Side, or ``(height, width)``, in pixels of the images that the position
            embedding or the tables are for; taken as padded to multiples of 16.
        variant: ``'plain'`` or ``'beit'``.
        drop_path_rate: Probability of dropping a branch of the last block; rises linearly from 0.
        frozen_stages: -1 freezes nothing, 0 the patches' and positions' embedding, n also the
            first n blocks.
        out_indices: Which of the four levels to return, ascending, such as ``(1, 2, 3)``. Weights
            that serve no other level don't train.

    Raises:
        RefusedError: Unknown ``arch`` or ``variant``.
    """

    arch_settings = dict(b=dict(embed_dims=768, depth=12, num_heads=12, mlp_ratio=4))

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 'b',
        in_channels: int = 3,
        img_size: int | tuple[int, int] = 224,
        variant: str = 'plain',
        drop_path_rate: float = 0.15,
        with_cp: bool = False,
        frozen_stages: int = -1,
        out_indices: Sequence[int] = LEVELS,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(with_cp, frozen_stages, init_cfg, out_indices)
        settings = self.sizes_of(arch)
        if variant not in _VARIANTS:
            raise RefusedError(f'ViT: variant={variant!r}; use one of {", ".join(_VARIANTS)}')
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.grid = (_patches(height), _patches(width))
        self.is_beit = variant == 'beit'

        dims, heads = settings['embed_dims'], settings['num_heads']
        self.out_channels = (dims,) * len(self.out_indices)
        self.patch_embed = PatchEmbed(in_channels, dims, _PATCH_SIZE)
        count = self.grid[0] * self.grid[1]
        self.pos_embed = None if self.is_beit else nn.Parameter(torch.zeros(1, count, dims))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dims)) if self.is_beit else None
        rates = torch.linspace(0, drop_path_rate, settings['depth'], device='cpu').tolist()
        self.blocks = nn.ModuleList(
            Block(
                dims,
                heads,
                settings['mlp_ratio'],
                rate,
                layer_scale=self.is_beit,
                attention=RelativeAttention(dims, heads, self.grid) if self.is_beit else None,
            )
            for rate in rates
        )
        self.norm = nn.LayerNorm(dims, eps=NORM_EPS)
        self.build_pyramid(dims)
        self.freeze()

    def init_weights(self) -> None:
        """Draw the weights; then load those of ``init_cfg``, if any."""
        init_vit_weights(self)
        rescale_residuals(self.blocks)
        if self.is_beit:
            trunc_normal_(self.cls_token, std=0.02)
            for block in self.blocks:
                nn.init.zeros_(block.attn.relative_position_bias_table)
                nn.init.constant_(block.gamma1, _LAYER_SCALE)
                nn.init.constant_(block.gamma2, _LAYER_SCALE)
        else:
            trunc_normal_(self.pos_embed, std=0.02)
        super().init_weights()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return maps ``(B, embed_dims, ceil(H / s), ceil(W / s))`` for s = 4, 8, 16, and a fourth.

        Only those that ``out_indices`` names are returned. The fourth has a cell for every two
        whole ones of the third, as the released weights were trained; a last odd row or column has
        none, but there is always one cell.

        Args:
            images: ``(B, in_channels, H, W)`` of any size; normalised.
        """
        tokens, grid = self._embed(images)  # (B, h * w, C)
        if self.is_beit:  # (B, 1 + h * w, C)
            tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
            arguments = (grid, relative_index(grid, tokens.device))
        else:
            tokens = tokens + resize_pos_embed(self.pos_embed, grid, self.grid)
            arguments = ()
        for block in self.blocks:
            tokens = self.run_block(block, tokens, *arguments)
        if self.is_beit:
            tokens = tokens[:, 1:]
        maps = tokens_to_maps(self.norm(tokens), grid)  # (B, C, h, w), stride 16
        return crop_levels(self.pyramid([maps] * 4), *images.shape[-2:], self.out_indices)

    def _embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the tokens of whole patches, and their grid, of at least two a side."""
        return self.patch_embed(pad_to_multiple(images, _PATCH_SIZE, _LEAST_SIDE))

    def frozen_parts(self) -> list[nn.Module | nn.Parameter]:
        """Return the embeddings and the blocks that don't train."""
        if self.frozen_stages < 0:
            return []
        embeddings = (self.patch_embed, self.pos_embed, self.cls_token)
        there = [embedding for embedding in embeddings if embedding is not None]
        return [*there, *self.blocks[: self.frozen_stages]]

    def resizes_on_load(self, name: str, shape: tuple[int, ...]) -> bool:
        """Return whether a checkpoint's weight of another shape is interpolated to this one's."""
        if name != 'pos_embed' or self.pos_embed is None or len(shape) != 3:
            return False
        count, own = shape[1], tuple(self.pos_embed.shape)
        return (shape[0], shape[2]) == (own[0], own[2]) and math.isqrt(count) ** 2 == count

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        key = f'{prefix}pos_embed'
        found = state_dict.get(key)
        # What can't be resized is left as it is, for torch to name it and the two shapes.
        if found is not None and self.resizes_on_load('pos_embed', tuple(found.shape)):
            if found.shape != self.pos_embed.shape:
                state_dict = {**state_dict, key: resize_pos_embed(found, self.grid)}
        super()._load_from_state_dict(state_dict, prefix, *args)


def _patches(side: int) -> int:
    return math.ceil(max(side, _LEAST_SIDE) / _PATCH_SIZE)
