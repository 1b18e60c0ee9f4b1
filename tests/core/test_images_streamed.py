"""Large files that are read piece by piece, as they are when held."""

import tracemalloc

import numpy as np
import pytest
import rasterio
from image_cases import RGB, save, save_tiff
from PIL import Image

from samrs_mm.core.errors import ImageReadError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.images import SceneImage


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize('bands', [1, 2, 3, 4])
@pytest.mark.parametrize('tiled', [True, False])
def test_streamed_equals_held(tmp_path, dtype, bands, tiled):
    top = 255 if dtype is np.uint8 else 4000
    pixels = np.random.default_rng(1).integers(0, top, (bands, 300, 280)).astype(dtype)
    blocks = dict(tiled=True, blockxsize=64, blockysize=64) if tiled else {}
    path = save_tiff(tmp_path / 'a.tif', pixels, compress='deflate', **blocks)
    held, streamed = SceneImage(path), SceneImage(path, stream=True)
    assert (streamed.width, streamed.height) == (280, 300)
    np.testing.assert_array_equal(streamed.read(), held.read())
    for x, y in ((150, 170), (20, 30)):
        one, other = (image.crop(x, y, 200, 200) for image in (held, streamed))
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('mode', ['1', 'P', 'CMYK'])
def test_what_rasterio_reads_otherwise_is_held(tmp_path, mode):
    path = save(tmp_path / 'a.tif', Image.fromarray(RGB).convert(mode))
    np.testing.assert_array_equal(SceneImage(path, stream=True).read(), SceneImage(path).read())


def test_streamed_pixels_are_not_held(tmp_path):
    blocks = dict(tiled=True, blockxsize=256, blockysize=256)
    path = save_tiff(tmp_path / 'a.tif', np.ones((3, 2000, 2000), np.uint8), **blocks)
    tracemalloc.start()
    try:
        image = SceneImage(path, stream=True)
        image.crop(1000, 1000, 100, 100)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_damage_in_the_middle_of_a_streamed_file(tmp_path):
    noise = np.random.default_rng(2).integers(0, 256, (3, 600, 600), dtype=np.uint8)
    blocks = dict(tiled=True, blockxsize=64, blockysize=64)
    path = save_tiff(tmp_path / 'a.tif', noise, compress='deflate', **blocks)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 30_000] = bytes(30_000)
    path.write_bytes(data)
    image = SceneImage(path, stream=True)
    with pytest.raises(ImageReadError, match=r'a\.tif: cannot read the image: '):
        image.read()


@pytest.mark.parametrize('stream', [False, True])
def test_a_band_that_is_not_shown_says_nothing_of_data(tmp_path, stream):
    bands = np.full((4, 16, 16), 9, np.uint16)
    bands[:3, :, :4] = 0  # no data in all that is shown
    bands[0, :, 4:6] = 0
    bands[3, :, 8:] = 0
    with rasterio.open(
        tmp_path / 'a.tif', 'w', 'GTiff', width=16, height=16, count=4, dtype='uint16', nodata=0,
        tiled=True, blockxsize=16, blockysize=16,
    ) as file:  # fmt: skip
        file.write(bands)
    valid = SceneImage(tmp_path / 'a.tif', stream).valid(0, 0, 16, 16)
    assert valid.all(axis=0).tolist() == [False] * 4 + [True] * 12
    rule = ImageRule.from_config(dict(bands=[4]))
    valid = SceneImage(tmp_path / 'a.tif', stream, rule=rule).valid(0, 0, 16, 16)
    assert valid.all(axis=0).tolist() == [True] * 8 + [False] * 8
