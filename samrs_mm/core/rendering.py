"""From the bands of a raster to three channels of 8 bit, by a rule that knows the scene, no tiles.

Which bands are shown is what the file says of their colours, or else the order they have. Values of
8 bits stay as they are. Others are scaled: unsigned ones so that 0 stays 0 and the 99.9th
percentile of all bands shown becomes 255; where there are negative values, or signed and real ones
lie far above 0, band by band from their 1st percentile to their 99th. Percentiles are those of the
pixels with data, of whole blocks spread evenly over the file, all of them up to 16 Mpx: what part
is read, and by whom, changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio.windows import Window

from samrs_mm.core.channels import BoundChannel
from samrs_mm.core.image_rule import PERCENTILE, RANGE, RGB, VALUES, ImageRule
from samrs_mm.core.value_sample import HIGH, LOW, TOP, Range, SampledValues, sample_windows

_UNNAMED = 'taken for red, green, blue: the file names none'
_ALPHA = 'RGBA: alpha dropped'
_GREY = '1 band: grey replicated to 3 channels'
COLOURS = ('red', 'green', 'blue')


@dataclass(frozen=True)
class Choice:
    """What is shown of a file.

    Args:
        bands: Numbers from 1 of the bands that are read.
        dtype: What holds the values that are shown.
        notes: What to say of the choice.
        channels: Of these bands, where they are not the bands themselves; else empty.
        texts: The channels as a config writes them; empty where the file says what is shown.
    """

    bands: tuple[int, ...]
    dtype: np.dtype
    notes: tuple[str, ...]
    channels: tuple[BoundChannel, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the channels are: bands, b1 the first, or as a config writes them."""
        return self.texts or tuple(f'b{band}' for band in self.bands)

    @property
    def count(self) -> int:
        """Number of channels."""
        return len(self.channels or self.bands)


@dataclass(frozen=True)
class Stretch:
    """Which values become 0 and 255, channel by channel; None leaves 8 bits as they are."""

    ranges: tuple[Range, ...] | None = None
    note: str = ''


@dataclass(frozen=True)
class Rendering:
    """How the channels of a raster are shown; the same wherever the file is read.

    Args:
        stretch: Which of their values become 0 and 255.
        table: Colours ``(256, 3)`` uint8 of the values of a palette; None without one.
        inverted: Whether 0 is white.
        gamma: See ``ImageRule``.
        notes: What was done, for users; empty for plain 8-bit RGB.
        form: See ``ImageRule``.
    """

    stretch: Stretch = Stretch()
    table: np.ndarray | None = None
    inverted: bool = False
    gamma: float = 1.0
    notes: tuple[str, ...] = ()
    form: str = RGB

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return channels ``(C, h, w)`` as ``(h, w, 3)`` uint8 RGB, or ``(h, w, C)``; NaN is 0."""
        if self.form == VALUES:
            return np.nan_to_num(values.astype(np.float32)).transpose(1, 2, 0)
        if self.table is not None:
            return self.table[values[0]]
        if self.stretch.ranges is not None:
            ends = zip(*self.stretch.ranges, strict=True)
            low, high = (np.array(each, np.float64) for each in ends)
            scale = (255 / (high - low)).astype(np.float32)[:, None, None]
            with np.errstate(over='ignore', invalid='ignore'):
                above = values.astype(np.float32) - low.astype(np.float32)[:, None, None]
                scaled = np.clip(above * scale, 0, 255)
            if self.gamma != 1:
                scaled = (scaled / 255) ** (1 / self.gamma) * 255
            values = np.rint(np.nan_to_num(scaled)).astype(np.uint8)
        if self.inverted:
            values = 255 - values
        if self.form != RGB:
            return values.transpose(1, 2, 0)
        if len(values) == 2:
            mean = (values[0].astype(np.uint16) + values[1]) // 2
            values = np.stack([*values, mean.astype(np.uint8)])
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


def choose(file: rasterio.DatasetReader, rule: ImageRule | None = None) -> Choice:
    """Return what is shown of an open raster.

    Raises:
        ValueError: Its values are neither whole nor real numbers, or it has no band of the rule.
    """
    if rule is None or rule.channels is None:
        bands, notes = shown_bands(file)
        if rule is not None and rule.form != RGB:
            bands, notes = _data_bands(file), ('image.form: each band a channel',)
        return Choice(bands, shown_type(file, bands), notes)
    channels = tuple(channel.bound(file.descriptions) for channel in rule.channels)
    texts = tuple(channel.text for channel in rule.channels)
    third = '; the third is their mean' * (len(channels) == 2)
    shown = ' shown' + ' grey' * (len(channels) == 1) + third
    shown = shown if rule.form == RGB else ', each a channel'
    notes = (f'image.bands: {", ".join(texts)}{shown}',)
    plain = tuple(channel.band for channel in channels if channel.band)
    if len(plain) == len(channels):
        return Choice(plain, shown_type(file, plain), notes, texts=texts)
    bands = tuple(sorted({band for channel in channels for band in channel.bands.values()}))
    shown_type(file, bands)
    return Choice(bands, np.dtype(np.float32), notes, channels, texts)


def rendering_of(
    file: rasterio.DatasetReader,
    read: Callable[[Window], tuple[np.ndarray, np.ndarray]],
    choice: Choice,
    rule: ImageRule | None = None,
    known: Stretch | None = None,
) -> Rendering:
    """Return how what was chosen of an open raster is shown.

    ``read`` gives the channels of a window ``(channels, h, w)`` and which of their values are data.
    Where the stretch is ``known`` it is not found out again.

    Raises:
        ValueError: The limits of the rule are for another number of channels.
    """
    rule = rule or ImageRule()
    if rule.form == VALUES:
        return Rendering(notes=choice.notes, form=VALUES)
    structure = file.tags(ns='IMAGE_STRUCTURE')
    inverted = structure.get('MINISWHITE') == 'YES' and not choice.channels
    table = None
    if not (inverted or choice.texts or rule.stretch or rule.gamma != 1 or rule.form != RGB):
        table = _palette(file, choice.bands)
    if table is not None:
        return Rendering(table=table, notes=_palette_notes(table))
    stretch = known or _stretch(file, read, choice, rule)
    notes = choice.notes + ('0 is white: inverted',) * inverted
    notes += (stretch.note,) * bool(stretch.note)
    if rule.gamma != 1:
        notes += (f'image.gamma {rule.gamma:g}',)
        if stretch.ranges is None:
            stretch = Stretch(((0.0, 255.0),) * choice.count)
    return Rendering(stretch, None, inverted, rule.gamma, notes, rule.form)


def _stretch(
    file: rasterio.DatasetReader,
    read: Callable[[Window], tuple[np.ndarray, np.ndarray]],
    choice: Choice,
    rule: ImageRule,
) -> Stretch:
    """Return which values of the channels become 0 and 255, and a note that says so."""
    dtype, count = choice.dtype, choice.count
    if rule.stretch == RANGE:
        ranges = tuple((float(low), float(high)) for low, high in rule.limits_of(count))
        return Stretch(ranges, f'{dtype} scaled: {_text(ranges)} to 0..255, as image.limits says')
    if rule.stretch == PERCENTILE:
        values, limits = _values(file, read, choice), rule.limits_of(count)
        ranges = tuple(values.range_of(band, *limits[band]) for band in range(count))
        percents = ', '.join(f'P{low:g}..P{high:g}' for low, high in dict.fromkeys(limits))
        return Stretch(ranges, f'{dtype} scaled: {_text(ranges)} ({percents}) to 0..255')
    if dtype != np.uint8:
        return _stretched(_values(file, read, choice), choice)
    bits = int(file.tags(choice.bands[0], ns='IMAGE_STRUCTURE').get('NBITS', 8))
    if bits >= 8:
        return Stretch()
    top = 2**bits - 1
    note = f'{bits} bits scaled: 0..{top} to 0..255'
    return Stretch(((0.0, float(top)),) * count, note)


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
        if all(said.count(colour) == 1 for colour in COLOURS):
            bands = tuple(said.index(colour) + 1 for colour in COLOURS)
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


def _data_bands(file: rasterio.DatasetReader) -> tuple[int, ...]:
    """Return the numbers of all bands but alpha."""
    if _converted(file):
        return 1, 2, 3
    return tuple(band for band in range(1, file.count + 1) if band != alpha_band(file))


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


def _values(
    file: rasterio.DatasetReader,
    read: Callable[[Window], tuple[np.ndarray, np.ndarray]],
    choice: Choice,
) -> SampledValues:
    """Return the values of a sample of the file, or of all of it where that has none."""
    for windows in (sample_windows(file), sample_windows(file, every=True)):
        values = SampledValues(choice.count, choice.dtype)
        for window in windows:
            values.add(*read(window))
        if values:  # else data may lie where no sample was taken
            break
    return values


def _stretched(values: SampledValues, choice: Choice) -> Stretch:
    """Return the stretch of values that no config says how to scale."""
    dtype, count = choice.dtype, choice.count
    if not values.far_from_zero():
        (top,) = values.percentiles(TOP)
        top = top if top > 0 else 1.0
        note = f'{dtype} scaled: 0..{top:g} (P{TOP}) to 0..255'
        return Stretch(((0.0, top),) * count, note)
    ranges = tuple(values.range_of(band) for band in range(count))
    note = f'{dtype} scaled: {_text(ranges)} (P{LOW:g}..P{HIGH:g}) to 0..255'
    return Stretch(ranges, note)


def _text(ranges: Sequence[Range]) -> str:
    return ', '.join(f'{low:g}..{high:g}' for low, high in dict.fromkeys(ranges))
