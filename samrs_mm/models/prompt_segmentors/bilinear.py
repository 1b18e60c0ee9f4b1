"""Bilinear resizes of a part of a picture, as torch resizes the whole."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

Range = tuple[int, int]
"""The first place on an axis, and the one after the last."""

Ranges = tuple[Range, Range]
"""Of rows and of columns."""

ROUNDING = 2.0**-20
"""No value of a resized part differs from torch's by more, as a share of the largest input."""

_OTHER_CODE = 128
"""Up to this height plus width torch resizes by other code, which rounds otherwise."""


def bilinear(pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize ``(n, c, h, w)`` to height and width, corners not aligned."""
    return F.interpolate(pictures, size, mode='bilinear', align_corners=False)


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a resize: output i lies between the inputs ``first[i]`` and ``second[i]``.

    Args:
        first: ``(n,)`` int64, ascending.
        second: ``(n,)`` int64, ascending.
        share: Of the second input in the output, ``(n,)`` float32; None where it isn't known how
            this machine rounds it.
        total: Outputs of the whole axis, of which the first n are asked.
        factor: Outputs an input where that is a power of two, so that shares have no rounding;
            else 0.
    """

    first: np.ndarray
    second: np.ndarray
    share: torch.Tensor | None
    total: int
    factor: int

    def outputs(self, inputs: Range) -> Range:
        """Return the outputs that some of the inputs go into; there may be none."""
        low, high = np.searchsorted(self.second, inputs[0]), np.searchsorted(self.first, inputs[1])
        return int(low), int(high)

    def inputs(self, outputs: Range) -> Range:
        """Return the inputs that the outputs, at least one, are made of."""
        return int(self.first[outputs[0]]), int(self.second[outputs[1] - 1]) + 1

    def mix(self, part: torch.Tensor, start: int, outputs: Range, dim: int) -> torch.Tensor:
        """Resize a dimension of a part ``(h, w)`` that begins at the input ``start``."""
        assert self.share is not None
        first = part.index_select(dim, torch.as_tensor(self.first[slice(*outputs)] - start))
        second = part.index_select(dim, torch.as_tensor(self.second[slice(*outputs)] - start))
        return torch.lerp(first, second, self.share[slice(*outputs)].unsqueeze(1 - dim))


@lru_cache(maxsize=64)
def axis(inputs: int, outputs: int, used: int | None = None) -> Axis:
    """Return an axis that resizes so many inputs, of whose outputs the first ``used`` are asked."""
    places = _places(inputs, outputs)
    known = places is not None
    if places is None:
        places = (np.arange(outputs) + 0.5) * inputs / outputs - 0.5
    places = places[:used].clip(0)
    first = places.astype(np.int64)
    share = torch.as_tensor(places - first.astype(np.float32)) if known else None
    ratio, rest = divmod(outputs, inputs)
    factor = ratio if rest == 0 and ratio & (ratio - 1) == 0 else 0
    return Axis(first, np.minimum(first + 1, inputs - 1), share, outputs, factor)


def _places(inputs: int, outputs: int) -> np.ndarray | None:
    """Return where outputs lie among the inputs, ``(outputs,)`` float32, rounded as torch does.

    Some machines multiply and subtract in one step, some in two; torch itself tells which, by what
    it makes of inputs that are 0 and 1 in turn. None if it is neither.
    """
    ratio, centres = np.float32(inputs / outputs), np.arange(outputs) + 0.5
    odd = torch.arange(inputs) % 2
    told = bilinear(odd.float()[None, None, None], (1, outputs))[0, 0, 0].numpy()
    in_one_step = (float(ratio) * centres - 0.5).astype(np.float32).clip(0)
    in_two_steps = (ratio * centres.astype(np.float32) - np.float32(0.5)).clip(0)
    for places in (in_one_step, in_two_steps):
        first = places.astype(np.int64)
        share = places - first.astype(np.float32)
        made = np.where(first % 2, 1 - share, share)
        if np.array_equal(np.where(first < inputs - 1, made, first % 2), told):
            return places
    return None


@dataclass(frozen=True)
class Resize:
    """A resize of a picture, by its rows and columns."""

    rows: Axis
    columns: Axis

    @property
    def exact(self) -> bool:
        """Whether ``part`` gives the very values of the whole."""
        return self._large and self.rows.factor > 0 and self.columns.factor > 0

    @property
    def known(self) -> bool:
        """Whether ``part`` can be asked."""
        return self.exact or (self.rows.share is not None and self.columns.share is not None)

    @property
    def _large(self) -> bool:
        return self.rows.total + self.columns.total > _OTHER_CODE

    def part(self, picture: torch.Tensor, given: Ranges, wanted: Ranges) -> torch.Tensor:
        """Resize a part of a picture, up to ``ROUNDING``.

        Args:
            picture: ``(h, w)`` float32, the inputs of the rows and columns ``given``.
            given: Rows and columns of the inputs that ``wanted`` is made of.
            wanted: Rows and columns of the outputs.
        """
        (top, _), (left, _) = given
        rows, columns = wanted
        if not self.exact:
            return self.columns.mix(self.rows.mix(picture, top, rows, 0), left, columns, 1)
        fy, fx = self.rows.factor, self.columns.factor
        if fy * picture.shape[0] + fx * picture.shape[1] <= _OTHER_CODE:
            picture = F.pad(picture[None], (0, _OTHER_CODE // fx), mode='replicate')[0]
        made = F.interpolate(
            picture[None, None], scale_factor=(fy, fx), mode='bilinear', align_corners=False
        )[0, 0]
        top, left = top * fy, left * fx
        return made[rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left]

    def places(
        self, picture: np.ndarray, given: Ranges, rows: np.ndarray, columns: np.ndarray
    ) -> np.ndarray | None:
        """Return single outputs ``(k,)``, rounded as torch does; None where that isn't known.

        Args:
            picture: As of ``part``.
            given: As of ``part``.
            rows: Of the outputs ``(k,)``.
            columns: Of the outputs ``(k,)``.
        """
        if not (self._large and _adds_in_one_step()):
            return None
        assert self.rows.share is not None
        assert self.columns.share is not None
        ys = [ends[rows] - given[0][0] for ends in (self.rows.first, self.rows.second)]
        xs = [ends[columns] - given[1][0] for ends in (self.columns.first, self.columns.second)]
        corners = [[picture[y, x] for x in xs] for y in ys]
        shares = self.rows.share.numpy()[rows], self.columns.share.numpy()[columns]
        return _mixed(corners, *shares)


def _mixed(corners: list, in_y: np.ndarray, in_x: np.ndarray) -> np.ndarray:
    """Mix four float32 arrays ``corners[y][x]``, adding each product in one step."""
    one = np.float32(1)
    upper, lower = (_add(left, one - in_x, right * in_x) for left, right in corners)
    return _add(upper, one - in_y, lower * in_y)


def _add(first: np.ndarray, second: np.ndarray, third: np.ndarray) -> np.ndarray:
    """Return ``first * second + third`` of float32, rounded once."""
    return (first.astype(np.float64) * second + third).astype(np.float32)


@lru_cache(maxsize=1)
def _adds_in_one_step() -> bool:
    """Whether torch's resizes round as ``_mixed`` does on this machine."""
    picture = np.random.default_rng(0).normal(size=(75, 95)).astype(np.float32)
    told = bilinear(torch.as_tensor(picture)[None, None], (111, 66))[0, 0].numpy()
    rows, columns = axis(75, 111), axis(95, 66)
    if rows.share is None or columns.share is None:
        return False
    corners = [
        [picture[np.ix_(y, x)] for x in (columns.first, columns.second)]
        for y in (rows.first, rows.second)
    ]
    made = _mixed(corners, rows.share.numpy()[:, None], columns.share.numpy())
    return np.array_equal(made, told)
