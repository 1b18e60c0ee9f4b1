"""The runs of COCO's run-length masks: read from their text, or known from the making."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from samrs_mm.core.errors import SamrsError


class MaskError(SamrsError, ValueError):
    """What is meant to be a mask and is none, or whose runs don't fill its size."""


class CodedMask(dict):
    """RLE ``{'size': [H, W], 'counts': str}`` that was made here, so that none reads its text.

    Attributes:
        edges: Where the runs of the mask's pixels start and end in turn, ``(2n,)`` int64 ascending:
            positions ``x * H + y``. None is not known.
    """

    __slots__ = ('edges',)

    def __init__(self, rle: Any, edges: np.ndarray | None = None):
        super().__init__(rle)
        self.edges = edges


def edges_of(rle: Mapping) -> np.ndarray:
    """Return where the runs of a mask's pixels start and end in turn, see ``CodedMask``.

    Raises:
        MaskError: The runs don't fill the stated size.
    """
    edges = getattr(rle, 'edges', None)
    if edges is not None:
        return edges
    runs = checked_runs(rle)
    edges = runs[: len(runs) // 2 * 2].cumsum()
    if (runs[1::2] == 0).any():
        edges = edges.reshape(-1, 2)[runs[1::2] > 0].ravel()
    return edges


def bounds(edges: np.ndarray, height: int) -> list[int]:
    """Return the box ``[x, y, w, h]`` in pixels around runs; zeros if there are none.

    Args:
        edges: See ``CodedMask``.
        height: Of the image.
    """
    if not len(edges):
        return [0, 0, 0, 0]
    columns, tops = np.divmod(edges[::2], height)
    last, bottoms = np.divmod(edges[1::2] - 1, height)
    x, y, w, h = columns[0], 0, last[-1] - columns[0] + 1, height
    if np.array_equal(columns, last):  # no run goes on in the next column
        y = tops.min()
        h = bottoms.max() - y + 1
    return [int(x), int(y), int(w), int(h)]


def checked_runs(rle: Mapping) -> np.ndarray:
    """Return the run lengths (int64) of a mask as its text has them, without and with in turn.

    Raises:
        MaskError: They don't fill the stated size.
    """
    height, width = rle['size']
    runs = _runs(rle['counts'])
    if (runs < 0).any() or runs.sum() != height * width:
        raise MaskError(f'a mask whose runs do not add up to its {width} x {height} px')
    return runs


def _runs(counts: str) -> np.ndarray:
    """Return the run lengths (int64) that text counts stand for: 5 bits in a character, low first.

    Source: ``rleFrString`` of https://github.com/cocodataset/cocoapi, common/maskApi.c.
    """
    codes = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - 48
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise MaskError(f'{counts[:20]!r} is not the text of a run-length mask')
    last = np.flatnonzero(codes & 32 == 0)
    first = np.append(0, last[:-1] + 1)
    bits = last - first + 1
    if bits.max() > 7:
        raise MaskError('a mask with a run longer than any image')
    places = np.arange(len(codes)) - np.repeat(first, bits)
    runs = np.add.reduceat((codes & 31) << 5 * places, first)
    runs -= (codes[last] >> 4 & 1) << 5 * bits
    # from the fourth on, a run is stored as the difference to the last but one
    runs[1::2] = runs[1::2].cumsum()
    runs[2::2] = runs[2::2].cumsum()
    return runs
