"""Label maps of scenes as cloud-optimised GeoTIFFs: colours, class names, overviews, nodata."""

import os
from collections.abc import Iterable, Sequence
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.errors import RasterioError
from rasterio.windows import Window

from samrs_mm.core.atomic import temporary
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.raster_file import gdal, relaxed
from samrs_mm.core.side_files import ABOUT

BLOCK = 512
"""Side of a tile of the file; rows are best pushed by so many."""


def write_label_geotiff(
    path: Path,
    size: tuple[int, int],
    strips: Iterable[np.ndarray],
    place: dict[str, Any],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
) -> None:
    """Write a label map, whole or not at all; equal input, equal bytes.

    Args:
        path: The file.
        size: Width and height in pixels.
        strips: Its labels from the top, ``(rows, width)`` uint8 each, 255 where there is none.
        place: Where it lies, as ``Place.profile`` says it.
        classes: Names of the labels 0, 1, ...
        palette: Their colours, RGB.

    Raises:
        SamrsError: It can't be written.
    """
    whole = temporary(path)
    rows = whole.with_name(f'{whole.name}.rows')
    profile = dict(
        driver='GTiff', width=size[0], height=size[1], count=1, dtype='uint8', nodata=UNLABELLED,
        tiled=True, blockxsize=BLOCK, blockysize=BLOCK, compress='deflate', bigtiff='if_safer',
    )  # fmt: skip
    try:
        with relaxed, gdal(GDAL_PAM_ENABLED='NO'):
            with rasterio.open(rows, 'w', **profile, **place) as file:
                top = 0
                for strip in strips:
                    file.write(strip, 1, window=Window(0, top, size[0], len(strip)))
                    top += len(strip)
                colours = {index: (*colour, 255) for index, colour in enumerate(palette)}
                file.write_colormap(1, colours | {UNLABELLED: (0, 0, 0, 0)})
                file.set_band_description(1, 'class')
                file.update_tags(**{f'CLASS_{index}': name for index, name in enumerate(classes)})
            rasterio.shutil.copy(
                str(rows), str(whole), driver='COG', compress='deflate', blocksize=BLOCK,
                overview_resampling='mode', bigtiff='if_safer',
            )  # fmt: skip
        with open(whole, 'rb+') as file:
            os.fsync(file.fileno())
        path.with_name(path.name + ABOUT).unlink(missing_ok=True)  # counts of the old one
        os.replace(whole, path)
    except (OSError, RasterioError) as error:
        raise SamrsError(f'{path}: could not be written ({error}); is the disk full?') from error
    finally:
        for left in path.parent.glob(f'{escape(whole.name)}*'):  # GDAL has some of its own
            left.unlink(missing_ok=True)
