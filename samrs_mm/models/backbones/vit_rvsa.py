"""Vision transformer with rotated varied-size window attention.

Source: Wang et al. 2022, arXiv:2208.03987; sizes and parameter names as in the released SAMRS
weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from samrs_mm.models.layers.backbone import Backbone
from samrs_mm.models.layers.rvsa import RVSA
from samrs_mm.models.layers.sizes import LEVELS, crop_levels, pad_to_multiple
from samrs_mm.models.layers.vit import (
    Block,
    FeaturePyramid,
    PatchEmbed,
    init_vit_weights,
    rescale_residuals,
    tokens_to_maps,
)

_PATCH_SIZE = 16
_LEAST_SIDE = 32


@MODELS.register_module()
class ViTRVSA(FeaturePyramid, Backbone):
    """Plain vision transformer most of whose blocks attend within rotated windows.

    Without position embedding, class token and final norm. Maps of four depths are brought to the
    strides 4, 8, 16 and 32.

    Args:
        arch: ``'b'``, or a mapping with the keys of ``arch_settings['b']``. Blocks are counted from
            0: ``global_blocks`` attend over the whole map, behind ``level_blocks`` (ascending) the
            four levels are taken.
        window_size: Side of a window in tokens.
        drop_path_rate: Probability of dropping a branch of the last block; rises linearly from 0.
        offset_divisor: ``'released'`` or ``'corrected'``, see ``RVSA``.
        frozen_stages: -1 freezes nothing, 0 the patch embedding, n also the first n blocks.
        out_indices: Which of the four levels to return, ascending, such as ``(1, 2, 3)``. Weights
            that serve no other level don't train.

    Raises:
        RefusedError: No such ``arch`` or ``offset_divisor``.
    """

    arch_settings = dict(
        b=dict(
            embed_dims=768,
            depth=12,
            num_heads=12,
            mlp_ratio=4,
            global_blocks=(2, 5, 8, 11),
            level_blocks=(3, 5, 7, 11),
        )
    )

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 'b',
        in_channels: int = 3,
        window_size: int = 7,
        drop_path_rate: float = 0.1,
        offset_divisor: str = 'released',
        with_cp: bool = False,
        frozen_stages: int = -1,
        out_indices: Sequence[int] = LEVELS,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(with_cp, frozen_stages, init_cfg, out_indices)
        settings = self.sizes_of(arch)
        dims, num_heads = settings['embed_dims'], settings['num_heads']
        self.level_blocks = tuple(settings['level_blocks'])
        self.out_channels = (dims,) * len(self.out_indices)
        self.patch_embed = PatchEmbed(in_channels, dims, _PATCH_SIZE)
        rates = torch.linspace(0, drop_path_rate, settings['depth'], device='cpu').tolist()
        self.blocks = nn.ModuleList(
            Block(
                dims,
                num_heads,
                settings['mlp_ratio'],
                drop_path=rate,
                attention=None
                if index in settings['global_blocks']
                else RVSA(dims, num_heads, window_size, offset_divisor=offset_divisor),
            )
            for index, rate in enumerate(rates)
        )
        self.build_pyramid(dims)
        self.freeze()

    def init_weights(self) -> None:
        """Draw the weights; then load those of ``init_cfg``, if any.

        What predicts offsets, scales and angles keeps PyTorch's own initialisation, as in the
        authors' code: windows are a little off their places from the start.
        """
        init_vit_weights(self)
        rescale_residuals(self.blocks)
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
        maps = []
        for index, block in enumerate(self.blocks[: self._depth]):
            inputs = (tokens, grid) if isinstance(block.attn, RVSA) else (tokens,)
            tokens = self.run_block(block, *inputs)
            if index in self.level_blocks:
                maps.append(tokens_to_maps(tokens, grid))  # (B, C, h, w), stride 16
        return crop_levels(self.pyramid(maps), *images.shape[-2:], self.out_indices)

    @property
    def _depth(self) -> int:
        """Number of blocks up to the last level that is asked for."""
        return self.level_blocks[self.out_indices[-1]] + 1

    def idle_parts(self) -> list[nn.Module]:
        """Return what only serves levels that nobody asks for."""
        return [*super().idle_parts(), *self.blocks[self._depth :]]

    def _embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the tokens of whole patches, and their grid, of at least two a side."""
        return self.patch_embed(pad_to_multiple(images, _PATCH_SIZE, _LEAST_SIDE))

    def frozen_parts(self) -> list[nn.Module]:
        """Return the patch embedding and the blocks that don't train."""
        return [self.patch_embed, *self.blocks][: self.frozen_stages + 1]
