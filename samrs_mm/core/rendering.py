"""From the bands of a raster to three channels of 8 bit, by a rule that knows the scene, no tiles.

Which bands are shown is what the file says of their colours, or else the order they have. Values of
8 bits stay as they are. Others are scaled: unsigned ones so that 0 stays 0 and the 99.9th
percentile of all bands shown becomes 255; where there are negative values, or signed and real ones
lie far above 0, band by band from their 1st percentile to their 99th. Percentiles are those of the
pixels with data, of whole blocks spread evenly over the file, all of them up to 16 Mpx: what part
is read, and by whom, changes nothing.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio.windows import Window

TOP, LOW, HIGH = 99.9, 1.0, 99.0
"""Percentiles: that of all bands which becomes 255; those of a band which become 0 and 255."""

SAMPLE = 1 << 24
"""Pixels of a file from which its percentiles are taken, in about."""

_STRIP = 256
_UNNAMED = 'taken for red, green, blue: the file names none'
_ALPHA = 'RGBA: alpha dropped'
_GREY = '1 band: grey replicated to 3 channels'
_COLOURS = ('red', 'green', 'blue')
Range = tuple[float, float]


@dataclass(frozen=True)
class Rendering:
    """How the bands of a raster are shown; the same wherever the file is read.

    Args:
        bands: Numbers from 1 of the bands for red, green, blue, or of the one that is shown grey.
        ranges: For each band the values that become 0 and 255; None leaves 8 bits as they are.
        table: Colours ``(256, 3)`` uint8 of the values of a palette; None without one.
        inverted: Whether 0 is white.
        notes: What was done, for users; empty for plain 8-bit RGB.
    """

    bands: tuple[int, ...]
    ranges: tuple[Range, ...] | None = None
    table: np.ndarray | None = None
    inverted: bool = False
    notes: tuple[str, ...] = ()

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return values ``(bands, h, w)`` as ``(h, w, 3)`` uint8 RGB; NaN becomes 0."""
        if self.table is not None:
            return self.table[values[0]]
        if self.ranges is not None:
            low, high = (np.array(ends, np.float64) for ends in zip(*self.ranges, strict=True))
            scale = (255 / (high - low)).astype(np.float32)[:, None, None]
            with np.errstate(over='ignore', invalid='ignore'):
                above = values.astype(np.float32) - low.astype(np.float32)[:, None, None]
                scaled = np.clip(above * scale, 0, 255)
            values = np.rint(np.nan_to_num(scaled)).astype(np.uint8)
        if self.inverted:
            values = 255 - values
        return np.broadcast_to(values, (3, *values.shape[1:])).transpose(1, 2, 0)


def advice(note: str) -> str:
    """Return what to do where the choice of bands that a note tells of isn't right, if it does."""
    if note.endswith(_UNNAMED):
        return (
            'if they are blue, green, red: gdal_edit.py -colorinterp_1 blue -colorinterp_2 green '
            '-colorinterp_3 red FILE'
        )
    if note == _ALPHA:
        return (
            'no data where it is 0; if it is infrared: gdal_edit.py -colorinterp_4 undefined FILE'
        )
    return ''


def rendering_of(
    file: rasterio.DatasetReader, read: Callable[[Window], tuple[np.ndarray, np.ndarray]]
) -> Rendering:
    """Return how an open raster is shown.

    ``read`` gives the shown bands of a window ``(bands, h, w)`` and which of their values are data.

    Raises:
        ValueError: Its values are neither whole nor real numbers.
    """
    bands, notes = shown_bands(file)
    dtype = shown_type(file, bands)
    structure = file.tags(ns='IMAGE_STRUCTURE')
    inverted = structure.get('MINISWHITE') == 'YES'
    table = None if inverted else _palette(file, bands)
    if table is not None:
        return Rendering(bands, table=table, notes=_palette_notes(table))
    if inverted:
        notes += ('0 is white: inverted',)
    bits = int(file.tags(bands[0], ns='IMAGE_STRUCTURE').get('NBITS', 8 * dtype.itemsize))
    ranges: tuple[Range, ...] | None = None
    note: tuple[str, ...] = ()
    if dtype != np.uint8:
        ranges, note = _stretched(file, read, len(bands), dtype)
    elif bits < 8:
        top = 2**bits - 1
        ranges, note = (
            ((0.0, float(top)),) * len(bands),
            (f'{bits} bits scaled: 0..{top} to 0..255',),
        )
    return Rendering(bands, ranges, None, inverted, notes + note)


def shown_bands(file: rasterio.DatasetReader) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the numbers of the bands that are shown, three or one, and what to say of the choice.

    Three where the file says which are red, green and blue, by colour interpretation or else by
    names of bands, or where it has three bands or more beside alpha; else the first, grey.
    """
    colours = [colour.name for colour in file.colorinterp]
    data = [band for band, colour in enumerate(colours, 1) if colour != 'alpha']
    alpha = len(data) < file.count
    if space := _converted(file):
        return (1, 2, 3), (f'{space.removeprefix("CIE")} converted to RGB',)
    names = [(name or '').strip().lower() for name in file.descriptions]
    for said, source in ((colours, 'its colour interpretation'), (names, "its bands' names")):
        if all(said.count(colour) == 1 for colour in _COLOURS):
            bands = tuple(said.index(colour) + 1 for colour in _COLOURS)
            return bands, _colour_notes(file.count, bands, source, alpha)
    if len(data) >= 3:
        bands = tuple(data[:3])
        dropped = (f'{file.count} bands: extra bands dropped',) * (file.count > 3)
        numbers = ', '.join(map(str, bands))
        return bands, (*dropped, f'bands {numbers} {_UNNAMED}')
    band = colours.index('gray') + 1 if 'gray' in colours else (data or [1])[0]
    if file.count == 1:
        return (band,), (_GREY,)
    if file.count == 2 and alpha:
        return (band,), ('LA: alpha dropped',)
    return (band,), (f'{file.count} bands: band {band} shown grey, the others dropped',)


def alpha_band(file: rasterio.DatasetReader) -> int | None:
    """Return the number of the band that is alpha; GDAL's masks know it as 2nd or 4th only."""
    colours = [colour.name for colour in file.colorinterp]
    return colours.index('alpha') + 1 if 'alpha' in colours and not _converted(file) else None


def _converted(file: rasterio.DatasetReader) -> str | None:
    """Return the colour space of a file that GDAL gives as RGB with alpha; None for others."""
    space = file.tags(ns='IMAGE_STRUCTURE').get('SOURCE_COLOR_SPACE')
    return space if space in ('CMYK', 'CIELAB') else None


def _colour_notes(count: int, bands: tuple, source: str, alpha: bool) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if count == 4 and alpha:
        notes = (_ALPHA,)
    elif count > 3:
        notes = (f'{count} bands: extra bands dropped',)
    if bands != (1, 2, 3) or source != 'its colour interpretation':
        numbers = ', '.join(map(str, bands))
        notes += (f'bands {numbers} are red, green, blue by {source}',)
    return notes


def shown_type(file: rasterio.DatasetReader, bands: Sequence[int]) -> np.dtype:
    """Return the type that holds the values of some bands.

    Raises:
        ValueError: Not whole or real numbers.
    """
    dtype = np.result_type(*(file.dtypes[band - 1] for band in bands))
    if dtype.kind not in 'iuf':
        raise ValueError(f'{dtype} pixels can not be shown; whole or real numbers can')
    return dtype


def _palette(file: rasterio.DatasetReader, bands: Sequence[int]) -> np.ndarray | None:
    """Return the colours of a file's palette ``(256, 3)`` uint8, black where it has none."""
    if file.colorinterp[bands[0] - 1].name != 'palette' or file.dtypes[bands[0] - 1] != 'uint8':
        return None
    table = np.zeros((256, 3), np.uint8)
    for value, colour in file.colormap(bands[0]).items():
        if value < 256:
            table[value] = colour[:3]
    return table


def _palette_notes(table: np.ndarray) -> tuple[str, ...]:
    black_and_white = np.array_equal(np.unique(table), [0, 255]) and (table[2:] == 0).all()
    grey = black_and_white and (table[:2] == table[:2, :1]).all()
    return (_GREY,) if grey else ('P converted to RGB',)


def _stretched(
    file: rasterio.DatasetReader,
    read: Callable[[Window], tuple[np.ndarray, np.ndarray]],
    count: int,
    dtype: np.dtype,
) -> tuple[tuple[Range, ...], tuple[str, ...]]:
    """Return the range of each of ``count`` bands, and a note that says so."""
    for windows in (sample_windows(file), sample_windows(file, every=True)):
        values = _Values(count, dtype)
        for window in windows:
            values.add(*read(window))
        if values:  # else data may lie where no sample was taken
            break
    if not values.far_from_zero():
        (top,) = values.percentiles(TOP)
        top = top if top > 0 else 1.0
        return ((0.0, top),) * count, (f'{dtype} scaled: 0..{top:g} (P{TOP}) to 0..255',)
    by_band = [values.range_of(band) for band in range(count)]
    text = ', '.join(f'{low:g}..{high:g}' for low, high in dict.fromkeys(by_band))
    return tuple(by_band), (f'{dtype} scaled: {text} (P{LOW:g}..P{HIGH:g}) to 0..255',)


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


class _Values:
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

    def range_of(self, band: int) -> Range:
        """Return the values of a band that become 0 and 255."""
        low, high = self.percentiles(LOW, HIGH, band=band)
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
