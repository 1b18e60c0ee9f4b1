"""The pixels of a raster file, held in memory or left on disk."""

import math
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import MaskFlags
from rasterio.windows import Window

from samrs_mm.core.image_rule import FILE, RGB, VALUES, ImageRule
from samrs_mm.core.raster_file import gdal, open_raster
from samrs_mm.core.rendering import (
    Choice,
    Rendering,
    Stretch,
    alpha_band,
    choose,
    rendering_of,
)
from samrs_mm.core.value_sample import rows_of_blocks

_LARGEST_BLOCK = 1 << 25


class RasterPixels:
    """The channels of a file that are shown, bands in their own type, and which pixels have data.

    A pixel has data where the file says so (by a nodata value, alpha or a mask) of one of the bands
    that are shown at least, and where a channel has a number (not NaN or infinite).

    Args:
        path: The file.
        stream: Leave it on disk, if its blocks are small and can be read in any order.
        rule: How it is shown; None leaves that to the file.
        known: Which values become 0 and 255, where it was found out before.

    ``stretch`` says which values of the ``channels`` become 0 and 255; ``size`` is width and height
    in pixels; ``notes`` say what is done to show it as 8-bit RGB; ``gaps`` is whether there may be
    pixels without data; ``bands`` and ``dtype`` are those of windows.

    Raises:
        ValueError: Not a picture, or of values that can't be shown; also what rasterio raises.
    """

    def __init__(
        self,
        path: Path,
        stream: bool,
        rule: ImageRule | None = None,
        known: Stretch | None = None,
    ):
        self._held: np.ndarray | None = None
        self._valid: np.ndarray | None = None
        with gdal():
            self._file = file = open_raster(path)
            self.size: tuple[int, int] = (file.width, file.height)
            self._choice: Choice = choose(file, rule)
            self._nodata = FILE if rule is None else rule.nodata
            by_file = self._nodata == FILE
            self._masked = by_file and _masked(file)
            self._by_value = _by_value(file, self._choice.bands)
            self._alpha = alpha_band(file) if by_file else None
            real = self._choice.dtype.kind == 'f'
            self.gaps = self._masked or bool(self._alpha) or real or self._number is not None
            if not (stream and streamable(file)):
                self._hold()
            self._shown: Rendering = rendering_of(file, self._sample, self._choice, rule, known)
        form = RGB if rule is None else rule.form
        self.bands = 3 if form == RGB else self._choice.count
        self.dtype = np.dtype(np.float32 if form == VALUES else np.uint8)
        self.stretch, self.channels = self._shown.stretch, self._choice.names
        self.notes = self._shown.notes + self._notes(file)
        if self._held is not None:
            file.close()

    def window(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        """Return a window as ``(h, w, bands)``, uint8 RGB of a picture, without data too."""
        with gdal():
            return self._shown(self._values(Window(x0, y0, x1 - x0, y1 - y0)))

    def valid(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray | None:
        """Return which pixels of a window have data, ``(h, w)`` bool; None where all have."""
        if not self.gaps:
            return None
        if self._held is not None:
            return None if self._valid is None else self._valid[y0:y1, x0:x1]
        with gdal():
            return self._valid_in(Window(x0, y0, x1 - x0, y1 - y0))

    @property
    def _number(self) -> float | None:
        """The value that stands for no data where a rule says it."""
        return None if isinstance(self._nodata, str) else self._nodata

    def _hold(self) -> None:
        """Read all of the file into memory, a row of blocks at a time."""
        width, height = self.size
        shown = np.empty((self._choice.count, height, width), self._choice.dtype)
        valid = np.ones((height, width), bool) if self.gaps else None
        for window in rows_of_blocks(self._file):
            rows = slice(window.row_off, window.row_off + window.height)
            shown[:, rows] = self._read(window)
            if valid is not None:
                valid[rows] = self._valid_in(window, shown[:, rows])
        self._held = shown
        self._valid = None if valid is None or valid.all() else valid

    def _values(self, window: Window) -> np.ndarray:
        """Return the channels of a window, ``(channels, h, w)``."""
        if self._held is None:
            return self._read(window)
        y, x = window.row_off, window.col_off
        return self._held[:, y : y + window.height, x : x + window.width]

    def _read(self, window: Window) -> np.ndarray:
        """Return the channels of a window of the open file."""
        bands = self._choice.bands
        values = self._file.read(bands, window=window)
        if not self._choice.channels:
            return values
        gaps = ~self._band_data(values, window)
        values = values.astype(np.float32)
        values[gaps] = np.nan
        by_number = dict(zip(bands, values, strict=True))
        return np.stack([channel(by_number) for channel in self._choice.channels])

    def _band_data(self, values: np.ndarray, window: Window) -> np.ndarray:
        """Return which values ``(bands, h, w)`` of the bands are data, band by band."""
        data = np.ones(values.shape, bool)
        if self._number is not None:
            data &= values != self._number
        if self._masked:
            data &= self._file.read_masks(self._choice.bands, window=window) != 0
        return data

    def _valid_in(self, window: Window, values: np.ndarray | None = None) -> np.ndarray:
        """Return which pixels of a window of the open file have data."""
        valid, real = self._declared(window), self._choice.dtype.kind == 'f'
        if real or self._number is not None:
            values = self._values(window) if values is None else values
            if real:
                valid &= np.isfinite(values).any(axis=0)
            if self._number is not None and not self._choice.channels:
                valid &= (values != self._number).any(axis=0)
        return valid

    def _declared(self, window: Window) -> np.ndarray:
        """Return which pixels of a window have data as the open file declares it."""
        valid = np.ones((window.height, window.width), bool)
        if self._masked:
            if self._by_value:
                masks = self._file.read_masks(self._choice.bands, window=window)
                valid &= (masks != 0).any(axis=0)
            else:
                valid &= self._file.dataset_mask(window=window) != 0
        if self._alpha:
            valid &= self._file.read(self._alpha, window=window) != 0
        return valid

    def _sample(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Return the channels of a window, and which of their values are data."""
        values = self._values(window)
        valid = np.broadcast_to(self._declared(window), values.shape)
        if self._choice.dtype.kind == 'f':
            valid = valid & np.isfinite(values)
        if not self._choice.channels:
            valid = valid & self._band_data(values, window)
        return values, valid

    def _notes(self, file: rasterio.DatasetReader) -> tuple[str, ...]:
        pages = len(file.subdatasets)
        notes = (f'{pages} pages: the first is taken',) * (pages > 1)
        if self._masked and file.nodata is not None:
            notes += (f'nodata {file.nodata:g}: no pixels there',)
        if self._number is not None:
            notes += (f'image.nodata {self._number:g}: no pixels there',)
        if self._nodata is None:
            notes += ('image.nodata None: all pixels have data',)
        return notes


def _masked(file: rasterio.DatasetReader) -> bool:
    """Whether the file says of pixels that they have no data, other than by alpha."""
    said = (MaskFlags.all_valid, MaskFlags.alpha)
    return any(not set(flags).intersection(said) for flags in file.mask_flag_enums)


def _by_value(file: rasterio.DatasetReader, bands: tuple[int, ...]) -> bool:
    """Whether a value says of each of these bands, for itself, where it has no data."""
    flags = (file.mask_flag_enums[band - 1] for band in bands)
    return all(MaskFlags.nodata in each and MaskFlags.per_dataset not in each for each in flags)


def streamable(file: rasterio.DatasetReader) -> bool:
    """Whether windows can be read from disk in any order without decoding much more."""
    largest = max(map(math.prod, file.block_shapes)) * file.count
    itemsize = max(np.dtype(dtype).itemsize for dtype in file.dtypes)
    return file.driver == 'GTiff' and largest * itemsize <= _LARGEST_BLOCK


def mask_beside(path: Path) -> np.ndarray | None:
    """Return which pixels of a picture have data by the files beside it (``.msk``, ``.aux.xml``).

    ``(H, W)`` bool; None where all have.

    Raises:
        ValueError: The mask can't be used, see ``open_raster``; also what rasterio raises.
    """
    with gdal(), open_raster(path) as file:
        valid = file.dataset_mask() != 0 if _masked(file) else None  # alpha is Pillow's
    return None if valid is None or valid.all() else valid
