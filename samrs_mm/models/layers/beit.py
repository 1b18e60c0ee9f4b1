"""BEiT's attention: global, with a bias by relative position.

Source: Bao et al. 2022, arXiv:2106.08254. A table holds a bias per head for each offset between
two patches of a grid, row by row, and then for three pairs that have no offset: from the class
token to a patch, from a patch to the class token, and from the class token to itself.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samrs_mm.models.layers.vit import Attention

_CLASS_TOKEN_PAIRS = 3


class RelativeAttention(Attention):
    """Attention over a class token and a grid of patches, biased by relative position.

    A checkpoint's table for another, square grid is interpolated when it is loaded, and the
    module's own table when it runs on another grid. In BEiT keys have no bias: here they have
    one, which no softmax sees. ``relative_position_bias_table`` is for the ``grid`` ``(h, w)``.
    """

    def __init__(self, dims: int, num_heads: int, grid: tuple[int, int]) -> None:
        super().__init__(dims, num_heads)
        self.grid = grid
        length = _offsets(grid) + _CLASS_TOKEN_PAIRS
        self.relative_position_bias_table = nn.Parameter(torch.zeros(length, num_heads))

    def forward(self, tokens: Tensor, grid: tuple[int, int], index: Tensor) -> Tensor:
        """Attend; tokens are ``(B, 1 + h * w, dims)``, class token first, and ``grid`` is (h, w).

        The ``index`` is ``relative_index(grid)``.
        """
        table = resize_bias_table(self.relative_position_bias_table, self.grid, grid)
        return super().forward(tokens, table[index].permute(2, 0, 1)[None])

    def resizes_on_load(self, name: str, shape: tuple[int, ...]) -> bool:
        """As ``ViT.resizes_on_load``."""
        return (
            name == 'relative_position_bias_table'
            and shape[1:] == self.relative_position_bias_table.shape[1:]
            and _offsets(_square_grid(shape[0])) + _CLASS_TOKEN_PAIRS == shape[0]
        )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        name = 'relative_position_bias_table'
        key, own = f'{prefix}{name}', self.relative_position_bias_table
        table = state_dict.get(key)
        if table is not None and len(table) != len(own):
            if self.resizes_on_load(name, tuple(table.shape)):
                resized = resize_bias_table(table, _square_grid(len(table)), self.grid)
                state_dict = {**state_dict, key: resized}
        super()._load_from_state_dict(state_dict, prefix, *args)


def relative_index(grid: tuple[int, int], device: torch.device | None = None) -> Tensor:
    """Return where in a grid's table the bias of each pair of tokens is.

    It is ``(1 + h * w, 1 + h * w)`` int64: rows attend, columns are attended to.
    """
    height, width = grid
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    down = rows[:, None] - rows + height - 1
    right = columns[:, None] - columns + width - 1
    patches = down[:, None, :, None] * (2 * width - 1) + right[None, :, None, :]
    count = _offsets(grid)
    index = F.pad(patches.reshape(height * width, -1), (1, 0, 1, 0), value=count + 1)
    index[0] = count
    index[0, 0] = count + 2
    return index


def resize_bias_table(table: Tensor, source: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Interpolate a table bicubically from one grid to another; the class token's entries stay.

    Args:
        table: ``((2 h - 1) * (2 w - 1) + 3, heads)``; returned itself if it is for ``grid``.
        source: Its grid ``(h, w)``.
        grid: Grid to reach.
    """
    if tuple(source) == tuple(grid):
        return table
    maps = table[:-_CLASS_TOKEN_PAIRS].T.unflatten(1, (2 * source[0] - 1, 2 * source[1] - 1))
    size = (2 * grid[0] - 1, 2 * grid[1] - 1)
    resized = F.interpolate(maps[None], size=size, mode='bicubic', align_corners=False)
    return torch.cat([resized[0].flatten(1).T, table[-_CLASS_TOKEN_PAIRS:]])


def _square_grid(length: int) -> tuple[int, int]:
    """Return the largest square grid whose table has no more entries than ``length``."""
    side = (math.isqrt(max(length - _CLASS_TOKEN_PAIRS, 0)) + 1) // 2
    return side, side


def _offsets(grid: tuple[int, int]) -> int:
    return (2 * grid[0] - 1) * (2 * grid[1] - 1)
