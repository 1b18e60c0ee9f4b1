"""Percentiles of a raster's values, from whole blocks that are spread evenly over it."""

import math
from collections.abc import Iterator

import numpy as np
import rasterio
from rasterio.windows import Window

TOP, LOW, HIGH = 99.9, 1.0, 99.0
"""Percentiles: that of all bands which becomes 255; those of a band which become 0 and 255."""

SAMPLE = 1 << 24
"""Pixels of a file from which its percentiles are taken, in about."""

_STRIP = 256
Range = tuple[float, float]


def sample_windows(file: rasterio.DatasetReader, every: bool = False) -> Iterator[Window]:
    """Yield whole blocks evenly spread over a raster, or all of it: up to ``SAMPLE`` pixels."""
    height, width = file.block_shapes[0]
    if every or file.width * file.height <= SAMPLE:
        yield from rows_of_blocks(file)
        return
    across = -(-file.width // width)
    count = across * -(-file.height // height)
    step = max(1, -(-count * height * width // SAMPLE))
    for index in range(step // 2, count, step):
        y, x = index // across * height, index % across * width
        yield Window(x, y, min(width, file.width - x), min(height, file.height - y))


def rows_of_blocks(file: rasterio.DatasetReader) -> Iterator[Window]:
    """Yield windows from the top, as wide as the file, in whole blocks: each is decoded once."""
    block = file.block_shapes[0][0]
    rows = max(_STRIP // block, 1) * block
    for y in range(0, file.height, rows):
        yield Window(0, y, file.width, min(rows, file.height - y))


def countable(dtype: np.dtype) -> bool:
    """Whether values are counted, which takes no memory that grows with the file."""
    return dtype.itemsize <= 2 and dtype.kind in 'iu'


class SampledValues:
    """Values of bands, of which percentiles are asked; those of up to 16 bits are counted.

    ``np.percentile`` holds several copies, and overflows in int16.
    """

    def __init__(self, bands: int, dtype: np.dtype):
        self.dtype = dtype
        self._least = int(np.iinfo(dtype).min) if countable(dtype) else 0
        self._counts = np.zeros((bands, 1 << 16 if countable(dtype) else 0), np.int64)
        self._parts: list[list[np.ndarray]] = [[] for _ in range(bands)]

    def add(self, values: np.ndarray, valid: np.ndarray) -> None:
        """Take values ``(bands, h, w)`` where they are valid (of a shape that fits theirs)."""
        valid = np.broadcast_to(valid, values.shape)
        for band, (part, chosen) in enumerate(zip(values, valid, strict=True)):
            if not countable(self.dtype):
                self._parts[band].append(part[chosen])
                continue
            for top in range(0, len(part), _STRIP):
                rows = slice(top, top + _STRIP)
                places = part[rows][chosen[rows]].astype(np.intp) - self._least
                self._counts[band] += np.bincount(places, minlength=self._counts.shape[1])

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._counts.any()) or any(len(part) for each in self._parts for part in each)

    def percentiles(self, *percents: float, band: int | None = None) -> list[float]:
        """Return percentiles of a band, or of all bands together; zeros without values."""
        if not self:
            return [0.0] * len(percents)
        bands = slice(None) if band is None else slice(band, band + 1)
        if countable(self.dtype):
            counts = self._counts[bands].sum(axis=0)
            return [_counted_percentile(counts, self._least, percent) for percent in percents]
        values = np.concatenate([part for each in self._parts[bands] for part in each])
        values = values if self.dtype.kind == 'f' else values.astype(np.float64)
        if not len(values):
            return [0.0] * len(percents)
        return [float(np.percentile(values, each, overwrite_input=True)) for each in percents]

    def range_of(self, band: int, low: float = LOW, high: float = HIGH) -> Range:
        """Return the values of a band at two percentiles, which become 0 and 255."""
        low, high = self.percentiles(low, high, band=band)
        return low, high if high > low else low + 1.0

    def far_from_zero(self) -> bool:
        """Whether a range that begins at 0 would hide values, or leave them few steps.

        Unsigned values always count from 0, as those of released datasets do.
        """
        if self.dtype.kind == 'u':
            return False
        least, low, top = self.percentiles(0, LOW, TOP)
        return least < 0 or top > low > top / 2


def _counted_percentile(counts: np.ndarray, least: int, percent: float) -> float:
    """Return a percentile of values ``least``, ``least + 1`` ... of which there are so many."""
    sums = np.cumsum(counts)
    if not sums[-1]:
        return 0.0
    rank = percent / 100 * (sums[-1] - 1)
    below = np.searchsorted(sums, [math.floor(rank), math.ceil(rank)], side='right')
    return float(np.interp(rank % 1, (0, 1), below + least))
