"""Random pixels, and files of them."""

import warnings
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

HEIGHT, WIDTH = 37, 53
_RNG = np.random.default_rng(0)
RGB = _RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
GREY = RGB[..., 0]
DEEP = _RNG.integers(0, 4000, (HEIGHT, WIDTH, 3), dtype=np.uint16)
LOSSLESS = ('png', 'tif', 'bmp')


def save(path: Path, pixels: np.ndarray | Image.Image, **options) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def save_tiff(path: Path, bands: np.ndarray, colours=None, names=None, **options) -> Path:
    count, height, width = bands.shape
    profile = dict(width=width, height=height, count=count, dtype=bands.dtype, **options)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', NotGeoreferencedWarning)
        with rasterio.open(path, 'w', driver='GTiff', **profile) as file:
            file.write(bands)
            if colours:
                file.colorinterp = colours
            for band, name in enumerate(names or (), 1):
                file.set_band_description(band, name)
    return path
