"""Layers of libraries that fix sizes in a graph, as they ask sizes or count in fractions.

Here they compute the same for any size. They stand in for the originals in networks that are
exported, nowhere else.
"""

import inspect
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from mmcv.cnn import MaxPool2d
from mmseg.models.backbones.swin import ShiftWindowMSA
from mmseg.models.utils.embed import AdaptivePadding, PatchMerging
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.layers.sizes import cut, missing
from samrs_mm.models.layers.windows import from_windows, to_windows

_HIDDEN = -100.0
"""Added to the logits of tokens that mustn't see each other, as Swin was trained."""


def for_open_sizes(network: nn.Module, fixed: bool = False) -> nn.Module:
    """Put layers of this file in the place of those that they stand for; return the network.

    A subclass counts as its base, unless it computes otherwise.

    Args:
        network: With the layers inside.
        fixed: Images have one size after all: layers that compute otherwise may stay.

    Raises:
        RefusedError: A subclass computes otherwise than its base, which fixes sizes.
    """
    for name, part in network.named_children():
        for_open_sizes(part, fixed)
        base = _base_of(part)
        own = _own_methods(type(part), base) if base else []
        if base is None or (own and fixed):
            continue
        if own:
            kind = type(part)
            raise RefusedError(
                f'{kind.__module__}.{kind.__qualname__} has its own {", ".join(own)}: how its base '
                f'{base.__name__} takes images of any size is known, but not how it does'
            )
        setattr(network, name, _STAND_INS[base](part))
    return network


def _base_of(part: nn.Module) -> type | None:
    """Return which layer with a stand-in a part is; None also if it needs none as it is set."""
    if isinstance(part, nn.MaxPool2d) and not _side_by_side(part):
        return None
    return next((kind for kind in _STAND_INS if isinstance(part, kind)), None)


def _own_methods(kind: type, base: type) -> list[str]:
    """Return which of a base's methods a subclass has of its own, but for its construction."""
    methods = (name for name, value in vars(base).items() if inspect.isfunction(value))
    return [
        name
        for name in methods
        if name != '__init__' and getattr(kind, name) is not getattr(base, name)
    ]


class PlainPool(nn.Module):
    """``AdaptiveAvgPool2d`` by two products of matrices."""

    def __init__(self, pool: nn.AdaptiveAvgPool2d):
        super().__init__()
        self.output = _pair(cast('int | tuple[int, ...]', pool.output_size))

    def forward(self, maps: Tensor) -> Tensor:
        """Return means over equal parts of maps ``(B, C, H, W)``."""
        rows, columns = (
            _shares(side, count, maps)
            for side, count in zip(maps.shape[-2:], self.output, strict=True)
        )
        return rows @ maps @ columns.T


def _shares(side: int, count: int, like: Tensor) -> Tensor:
    """Return how much each of ``side`` rows counts in each of ``count`` means of them."""
    number = torch.arange(count, device=like.device)[:, None]
    place = torch.arange(side, device=like.device)[None]
    first, last = (number * side) // count, -((-(number + 1) * side) // count)
    inside = ((place >= first) & (place < last)).to(like.dtype)
    return inside / inside.sum(1, keepdim=True)


class CoveredMaxPool(nn.Module):
    """``MaxPool2d`` of windows side by side, on what they cover: it asks whether that is all."""

    def __init__(self, pool: nn.MaxPool2d):
        super().__init__()
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        """Return the largest values in the windows of maps ``(B, C, H, W)``."""
        for dim, size in zip((-2, -1), _pair(self.pool.kernel_size), strict=True):
            maps = cut(maps, dim, 0, maps.shape[dim] // size * size)
        return self.pool(maps)


def _side_by_side(pool: nn.MaxPool2d) -> bool:
    """Whether windows neither overlap nor go beyond the border."""
    whole = _pair(pool.kernel_size) == _pair(pool.stride) and not pool.ceil_mode
    return whole and _pair(pool.padding) == (0, 0) and _pair(pool.dilation) == (1, 1)


def _pair(sides: int | tuple[int, ...]) -> tuple[int, ...]:
    return (sides, sides) if isinstance(sides, int) else tuple(sides)


class ShiftedWindows(nn.Module):
    """Swin's attention within windows that may be shifted; mmsegmentation's ``ShiftWindowMSA``."""

    def __init__(self, layer: ShiftWindowMSA):
        super().__init__()
        self.w_msa, self.drop = layer.w_msa, layer.drop
        self.size, self.shift = layer.window_size, layer.shift_size

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Attend within windows of tokens ``(B, h * w, C)`` of a grid ``(h, w)``."""
        height, width = grid
        below, right = missing(height, self.size), missing(width, self.size)
        maps = F.pad(tokens.unflatten(1, grid), (0, 0, 0, right, 0, below))
        rows, columns = height + below, width + right
        mask = None
        if self.shift:
            maps = maps.roll((-self.shift, -self.shift), (1, 2))
            mask = self._mask(rows, columns, maps.device)
        windows = self.w_msa(to_windows(maps, self.size), mask=mask)
        maps = from_windows(windows, self.size, rows, columns)
        if self.shift:
            maps = maps.roll((self.shift, self.shift), (1, 2))
        return self.drop(cut(cut(maps, 1, 0, height), 2, 0, width).flatten(1, 2))

    def _mask(self, rows: int, columns: int, device: torch.device) -> Tensor:
        """Return what is added, ``(windows, size ** 2, size ** 2)``: what was far apart is."""
        row, column = (self._parts(side, device) for side in (rows, columns))
        parts = to_windows((3 * row[:, None] + column)[None, ..., None], self.size)[..., 0]
        apart = parts[:, None] != parts[:, :, None]
        return apart * _HIDDEN

    def _parts(self, side: int, device: torch.device) -> Tensor:
        """Return which of three parts each place of a shifted side belongs to."""
        place = torch.arange(side, device=device)
        return (place >= side - self.size).long() + (place >= side - self.shift).long()


class WholePadding(nn.Module):
    """mmsegmentation's ``AdaptivePadding``: zeros until strides end at the border."""

    def __init__(self, padding: AdaptivePadding):
        super().__init__()
        self.around = padding.padding == 'same'
        self.stride = padding.stride
        self.excess = tuple(
            (kernel - 1) * dilation + 1 - stride
            for kernel, stride, dilation in zip(
                padding.kernel_size, padding.stride, padding.dilation, strict=True
            )
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Pad maps ``(B, C, H, W)``."""
        rows, columns = (
            torch.sym_max(missing(side, stride) + excess, 0) if excess else missing(side, stride)
            for side, stride, excess in zip(maps.shape[-2:], self.stride, self.excess, strict=True)
        )
        top, left = (rows // 2, columns // 2) if self.around else (0, 0)
        return F.pad(maps, (left, columns - left, top, rows - top))


def _open_merging(layer: PatchMerging) -> PatchMerging:
    """Let patches be merged by ``pixel_unshuffle`` where that is what ``Unfold`` does."""
    if isinstance(layer.adap_padding, AdaptivePadding):  # a subclass that may not pad to strides
        return layer
    sampler = layer.sampler
    sides = {*sampler.kernel_size, *sampler.stride}
    if len(sides) == 1 and {*sampler.padding} == {0} and {*sampler.dilation} == {1}:
        layer.sampler = _Unshuffle(sampler)
    return layer


class _Unshuffle(nn.Module):
    def __init__(self, sampler: Any):
        super().__init__()
        self.kernel_size, self.stride = sampler.kernel_size, sampler.stride
        self.padding, self.dilation = sampler.padding, sampler.dilation

    def forward(self, maps: Tensor) -> Tensor:
        return F.pixel_unshuffle(maps, self.stride[0]).flatten(2)


_STAND_INS: dict[type, Callable[[Any], nn.Module]] = {
    nn.AdaptiveAvgPool2d: PlainPool,
    MaxPool2d: CoveredMaxPool,  # mmcv's own method is for old versions of torch
    nn.MaxPool2d: CoveredMaxPool,
    ShiftWindowMSA: ShiftedWindows,
    AdaptivePadding: WholePadding,
    PatchMerging: _open_merging,
}
