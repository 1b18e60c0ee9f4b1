"""The ViTAEv2 backbone.

Source: Zhang et al. 2023, ViTAEv2, arXiv:2202.10108.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from mmseg.registry import MODELS
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.layers.backbone import Backbone
from samrs_mm.models.layers.sizes import LEVELS, crop_levels, pad_to_multiple
from samrs_mm.models.layers.vitae import NormalCell, ReductionCell

RATIOS = (4, 2, 2, 2)


@MODELS.register_module()
class ViTAEv2(Backbone):
    """Four stages of reduction and normal cells, with attention in windows in the first two.

    Weights are named as in the released files, where 14 tensors more take no part: six relative
    position bias tables and the norms of the levels. There is no position embedding, so any size of
    image will do. Linear, convolution and norm layers begin as PyTorch's.

    Args:
        arch: A name out of ``arch_settings``, or a mapping with the same keys, each with a value
            per stage: ``embed_channels`` of the convolutions in the reduction cell,
            ``token_channels``, ``kernel_sizes`` and ``dilations`` of its pyramid,
            ``window_sizes`` (None: attention to the whole map), ``depths`` (normal cells),
            ``reduction_heads`` and ``reduction_groups``, ``heads`` and ``groups`` of normal cells.
        drop_path_rate: Rates of dropping a branch rise in even steps from 0 to this, a step per
            normal cell. As released, a stage begins as many steps up as the stage before has cells,
            not where that one ended: of 0.3, arch 's' reaches 0.208.
        cumulative_drop_path: Let each stage begin where the one before ended.
        frozen_stages: -1: none; 0: the first reduction cell; n: the first n stages.
        out_indices: Which of the four levels to return, ascending, such as ``(1, 2, 3)``. Weights
            that serve no other level don't train.

    Raises:
        RefusedError: Unknown ``arch``, or ``frozen_stages`` out of range.
    """

    arch_settings = dict(
        s=dict(
            embed_channels=(64, 64, 128, 256),
            token_channels=(64, 128, 256, 512),
            kernel_sizes=(7, 3, 3, 3),
            dilations=((1, 2, 3, 4), (1, 2, 3), (1, 2), (1, 2)),
            window_sizes=(7, 7, None, None),
            depths=(2, 2, 8, 2),
            reduction_heads=(1, 1, 2, 4),
            reduction_groups=(1, 16, 32, 64),
            heads=(1, 2, 4, 8),
            groups=(1, 32, 64, 128),
        )
    )

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 's',
        in_channels: int = 3,
        drop_path_rate: float = 0.3,
        cumulative_drop_path: bool = False,
        with_cp: bool = False,
        frozen_stages: int = -1,
        out_indices: Sequence[int] = LEVELS,
        init_cfg: dict[str, Any] | None = None,
    ):
        super().__init__(with_cp, frozen_stages, init_cfg, out_indices)
        settings = self.sizes_of(arch)
        for key, values in settings.items():
            if len(values) != len(RATIOS):
                raise RefusedError(
                    f'ViTAEv2: arch.{key}={values}; it must have {len(RATIOS)} values'
                )
        if frozen_stages not in range(-1, len(RATIOS) + 1):
            raise RefusedError(
                f'ViTAEv2: frozen_stages={frozen_stages}; it must be from -1 to {len(RATIOS)}'
            )
        self.out_channels = tuple(settings['token_channels'][i] for i in self.out_indices)
        depths = settings['depths']
        starts = [0, *(accumulate(depths) if cumulative_drop_path else depths)]
        rates = np.linspace(0, drop_path_rate, sum(depths)).tolist()
        self.layers = nn.ModuleList()
        for number, ratio in enumerate(RATIOS):
            stage = {name: values[number] for name, values in settings.items()}
            channels, window_size = stage['token_channels'], stage['window_sizes']
            reduction = ReductionCell(
                in_channels,
                stage['embed_channels'],
                channels,
                ratio,
                stage['kernel_sizes'],
                stage['dilations'],
                stage['reduction_groups'],
                stage['reduction_heads'],
                window_size,
            )
            normal = nn.ModuleList(
                NormalCell(channels, stage['heads'], stage['groups'], window_size, rate)
                for rate in rates[starts[number] :][: stage['depths']]
            )
            self.layers.append(nn.ModuleDict(dict(RC=reduction, NC=normal)))
            in_channels = channels
        self.freeze()

    def frozen_parts(self) -> list[nn.Module]:
        """Return the cells and stages that don't train."""
        if self.frozen_stages == 0:
            return [self.layers[0]['RC']]
        return [*self.layers[: max(self.frozen_stages, 0)]]

    def idle_parts(self) -> list[nn.Module]:
        """Return the stages behind the last level that is asked for."""
        return [*self.layers[self.out_indices[-1] + 1 :]]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return maps ``(B, out_channels[i], ceil(H / s), ceil(W / s))`` for s = 4, 8, 16, 32.

        Only those that ``out_indices`` names are returned.

        Args:
            images: ``(B, in_channels, H, W)`` of any size; normalised.
        """
        maps, levels = pad_to_multiple(images, math.prod(RATIOS)), []
        for stage in self.layers[: self.out_indices[-1] + 1]:
            for cell in (stage['RC'], *stage['NC']):
                maps = self.run_block(cell, maps)
            maps = maps.permute(0, 3, 1, 2)  # cells return (B, h, w, C)
            levels.append(maps)
        levels = [levels[index] for index in self.out_indices]
        return crop_levels(levels, *images.shape[-2:], self.out_indices)
