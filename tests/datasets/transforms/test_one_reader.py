"""A network sees in training what it sees when it predicts, and what annotation sees."""

import warnings

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from samrs_mm.core.images import SceneImage
from samrs_mm.datasets.transforms import LoadWindow
from samrs_mm.datasets.transforms.pixels import open_files

HEIGHT, WIDTH = 90, 130
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
SMOOTH = np.asarray(Image.fromarray(RGB[::30, ::30]).resize((WIDTH, HEIGHT), 3))


def tiff(path, bands, colours=None, **options):
    profile = dict(count=len(bands), height=HEIGHT, width=WIDTH, dtype=bands.dtype, **options)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', NotGeoreferencedWarning)
        with rasterio.open(path, 'w', 'GTiff', **profile) as file:
            file.write(bands)
            if colours:
                file.colorinterp = colours


def gaps(values, fill):
    values = values.copy()
    values[:, :, :40] = fill
    return values


DEEP = np.moveaxis(RGB.astype(np.uint16) * 9, -1, 0)
KINDS = {
    'rgb.png': lambda path: Image.fromarray(RGB).save(path),
    'grey.png': lambda path: Image.fromarray(RGB[..., 0]).save(path),
    'palette.png': lambda path: Image.fromarray(RGB).quantize(40).save(path),
    'alpha.png': lambda path: Image.fromarray(np.dstack([RGB, RGB[..., :1] // 128])).save(path),
    'transparent.png': lambda path: Image.fromarray(RGB).save(
        path, transparency=tuple(RGB[4, 4].tolist())
    ),
    'plain.jpg': lambda path: Image.fromarray(SMOOTH).save(path, quality=80),
    'coarse.jpg': lambda path: Image.fromarray(RGB).save(path, quality=30, subsampling=2),
    'progressive.jpg': lambda path: Image.fromarray(RGB).save(path, progressive=True),
    'cmyk.jpg': lambda path: Image.fromarray(SMOOTH).convert('CMYK').save(path),
    'a.bmp': lambda path: Image.fromarray(RGB).save(path),
    'a.webp': lambda path: Image.fromarray(SMOOTH).save(path, quality=70),
    'palette.gif': lambda path: Image.fromarray(RGB).quantize(30).save(path),
    'a.jp2': lambda path: Image.fromarray(RGB).save(path),
    'sar.tif': lambda path: tiff(path, RNG.normal(-12, 2, (2, HEIGHT, WIDTH)).astype(np.float32)),
    'nodata.tif': lambda path: tiff(path, gaps(DEEP, 65535), nodata=65535),
    'nan.tif': lambda path: tiff(path, gaps(DEEP / np.float32(2300), np.nan)),
    'order.tif': lambda path: tiff(
        path, np.concatenate([DEEP, DEEP[:1]]),
        [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined],
        tiled=True, blockxsize=32, blockysize=32,
    ),
    'jpeg.tif': lambda path: tiff(
        path, np.moveaxis(SMOOTH, -1, 0), compress='jpeg', photometric='YCBCR'
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', KINDS)
def test_training_annotation_and_prediction_see_the_same_pixels(tmp_path, name):
    path = tmp_path / name
    KINDS[name](path)
    Image.fromarray(np.full((HEIGHT, WIDTH), 1, np.uint8)).save(tmp_path / 'label.png')
    label_path = str(tmp_path / 'label.png')
    held, predicted = SceneImage(path), SceneImage(path, stream=True)
    expected, valid = held.read(), held.valid(0, 0, WIDTH, HEIGHT)
    valid = np.ones((HEIGHT, WIDTH), bool) if valid is None else valid
    np.testing.assert_array_equal(predicted.read(), expected)
    loaded = LoadWindow()(dict(img_path=str(path), seg_map_path=label_path))
    np.testing.assert_array_equal(loaded['img'], expected[..., ::-1])
    assert loaded['img'].flags.c_contiguous
    np.testing.assert_array_equal(loaded['gt_seg_map'], np.where(valid, 1, 255))
    assert ('alpha' in name or 'trans' in name or 'n' == name[0]) == (not valid.all())
    with open_files(str(path), label_path) as pixels:
        image, label = pixels.read(20, 70, 30, 111)
    part = np.s_[20:70, 30:111]
    np.testing.assert_array_equal(image, expected[part][..., ::-1])
    np.testing.assert_array_equal(label, np.where(valid[part], 1, 255))
