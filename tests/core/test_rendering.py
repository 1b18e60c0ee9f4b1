import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from image_cases import save_tiff as save
from PIL import Image
from rasterio.enums import ColorInterp as Colour

from samrs_mm.core import rendering, value_sample
from samrs_mm.core.images import SceneImage
from samrs_mm.core.value_sample import SampledValues

SIDE = 96
RNG = np.random.default_rng(0)
NOISE = RNG.normal(0, 1, (4, SIDE, SIDE))
EDGE = np.s_[:, :, :24]


def rasters():
    """Name, bands, nodata and which pixels have data, of the rasters that real scenes are."""
    everywhere = np.ones((SIDE, SIDE), bool)
    right = everywhere.copy()
    right[:, :24] = False

    def kind(values, dtype, fill=None, nodata=None):
        bands = np.array(values).astype(dtype)
        if fill is not None:
            bands[EDGE] = fill
        return bands, nodata, everywhere if fill is None else right

    optical = 1500 + 400 * NOISE[:3]
    return {
        'decibels': kind(-13 + 2 * NOISE[:1], np.float32),
        'decibels, nodata -9999': kind(-13 + 2 * NOISE[:1], np.float32, -9999, -9999),
        'VV and VH': kind([-10 + 2 * NOISE[0], -17 + 2 * NOISE[1]], np.float32),
        'NDVI': kind(np.tanh(NOISE[:1]), np.float32),
        'uint16': kind(optical, np.uint16),
        'uint16, nodata 65535': kind(optical, np.uint16, 65535, 65535),
        'uint16, nodata 0': kind(optical, np.uint16, 0, 0),
        'thermal': kind(290 + 3 * NOISE[:1], np.float32),
        'reflectance with a border of NaN': kind(optical / 1e4, np.float32, np.nan),
        'reflectance, nodata 3.4e38': kind(optical / 1e4, np.float32, 3.4e38, 3.4e38),
        'one outlier': kind(np.where(NOISE[:3] == NOISE[0, 3, 3], 1e38, optical), np.float32),
        'uint32': kind(optical * 1000, np.uint32),
        'int16': kind(optical, np.int16),
        'int16, nodata -32768': kind(NOISE[:3] * 3000, np.int16, -32768, -32768),
        'int8': kind(NOISE[:3] * 30, np.int8),
    }


RASTERS = rasters()


@pytest.mark.parametrize('tiled', [True, False])
@pytest.mark.parametrize('name', RASTERS)
def test_every_kind_of_raster_is_seen(tmp_path, name, tiled):
    """Many grey values, the pixels with data only, and a window is a crop of the whole."""
    bands, nodata, valid = RASTERS[name]
    blocks = dict(tiled=True, blockxsize=32, blockysize=32) if tiled else {}
    path = save(tmp_path / 'a.tif', bands, nodata=nodata, compress='deflate', **blocks)
    image, streamed = SceneImage(path), SceneImage(path, stream=True)
    whole = image.read()
    for channel in range(3):
        seen = whole[valid][:, channel]
        assert len(np.unique(seen)) > 50
        assert 40 < np.median(seen) < 215
    assert (whole[~valid] == 0).all()
    np.testing.assert_array_equal(streamed.read(), whole)
    assert streamed.notes == image.notes
    for x, y, width, height in ((0, 0, 40, 50), (17, 31, 64, 20), (90, 90, 6, 6)):
        part = np.s_[y : y + height, x : x + width]
        for each in (image, streamed):
            np.testing.assert_array_equal(each.crop(x, y, width, height), whole[part])
            found = each.valid(x, y, width, height)
            np.testing.assert_array_equal(
                np.ones((height, width), bool) if found is None else found, valid[part]
            )


@pytest.mark.parametrize(
    ('one', 'other'),
    [
        ('uint16, nodata 0', 'uint16, nodata 65535'),
        ('reflectance with a border of NaN', 'reflectance, nodata 3.4e38'),
    ],
)
def test_the_value_that_stands_for_no_data_changes_nothing(tmp_path, one, other):
    pictures = []
    for name in (one, other):
        bands, nodata, _ = RASTERS[name]
        pictures.append(SceneImage(save(tmp_path / 'a.tif', bands, nodata=nodata)).read())
    np.testing.assert_array_equal(*pictures)


def test_negative_values_are_scaled_band_by_band(tmp_path):
    bands = np.stack([np.linspace(low, low + 10, 10_000) for low in (-30, -20, -5)])
    path = save(tmp_path / 'a.tif', bands.reshape(3, 100, 100).astype(np.float32))
    image = SceneImage(path)
    assert image.notes[-1] == (
        'float32 scaled: -29.9..-20.1, -19.9..-10.1, -4.9..4.9 (P1..P99) to 0..255'
    )
    pixels = image.read()
    assert (pixels[0, 0] == 0).all()
    assert (pixels[-1, -1] == 255).all()
    assert (np.abs(pixels[50, 0].astype(int) - 128) <= 1).all()


def test_data_where_no_sample_is_taken_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(value_sample, 'SAMPLE', 4 * 32 * 32)
    bands = np.full((1, 256, 256), 65535, np.uint16)
    bands[0, :32, :32] = np.arange(1024).reshape(32, 32)
    path = save(tmp_path / 'a.tif', bands, nodata=65535, tiled=True, blockxsize=32, blockysize=32)
    image = SceneImage(path, stream=True)
    assert 'scaled: 0..1021.98 (P99.9)' in image.notes[1]
    np.testing.assert_array_equal(SceneImage(path).read(), image.read())


def test_a_sample_of_blocks_stands_for_the_scene(tmp_path, monkeypatch):
    values = RNG.integers(400, 900, (1, 512, 512)).astype(np.uint16)
    path = save(tmp_path / 'a.tif', values, tiled=True, blockxsize=32, blockysize=32)
    every = SceneImage(path).read()
    monkeypatch.setattr(value_sample, 'SAMPLE', 32 * 32 * 32)
    with rasterio.open(path) as file:
        windows = list(value_sample.sample_windows(file))
    assert len(windows) == 32
    assert len({window.row_off for window in windows}) == 16
    held, streamed = SceneImage(path), SceneImage(path, stream=True)
    np.testing.assert_array_equal(held.read(), streamed.read())
    assert np.abs(held.read().astype(int) - every).max() <= 1


COLOURS = {
    'blue, green, red, nir': ([Colour.blue, Colour.green, Colour.red, Colour.undefined], None),
    'by names': (None, ['Blue', 'GREEN', ' red ', 'NIR']),
    'nir first': ([Colour.undefined, Colour.red, Colour.green, Colour.blue], None),
    'colours go before names': (
        [Colour.red, Colour.green, Colour.blue, Colour.undefined],
        ['blue', 'green', 'red', 'nir'],
    ),
}


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('name', COLOURS)
def test_bands_are_shown_as_the_file_says(tmp_path, name, dtype):
    bands = np.stack([np.full((9, 9), value) for value in (10, 20, 30, 40)]).astype(dtype)
    bands[:, 0, 0] = 100
    colours, names = COLOURS[name]
    path = save(tmp_path / 'a.tif', bands, colours, names, photometric='MINISBLACK')
    order = [name.strip().lower() for name in names or [colour.name for colour in colours]]
    if name == 'colours go before names':
        order = ['red', 'green', 'blue', 'nir']
    at = [order.index(colour) for colour in ('red', 'green', 'blue')]
    image = SceneImage(path)
    pixels = image.read()[5, 5].astype(int)
    assert pixels.argsort().tolist() == np.argsort(at).tolist()
    if dtype is np.uint8:
        assert pixels.tolist() == bands[at, 5, 5].tolist()
    told = ', '.join(str(index + 1) for index in at)
    said = f'bands {told} are red, green, blue by'
    assert any(note.startswith(said) for note in image.notes) == (at != [0, 1, 2])


def test_alpha_is_no_colour(tmp_path):
    bands = np.full((4, 9, 9), 50, np.uint8)
    bands[0], bands[0, :4] = 255, 0
    path = save(
        tmp_path / 'a.tif', bands, [Colour.alpha, *[Colour.undefined] * 3],
        photometric='MINISBLACK',
    )  # fmt: skip
    image = SceneImage(path)
    note = 'bands 2, 3, 4 taken for red, green, blue: the file names none'
    assert note in image.notes
    assert '-colorinterp_1 blue' in rendering.advice(note)
    assert (image.read()[4:] == 50).all()
    for stream in (False, True):
        valid = SceneImage(path, stream).valid(0, 0, 9, 9)
        assert not valid[:4].any()
        assert valid[4:].all()


@pytest.mark.parametrize('bits', [2, 4])
def test_few_bits_fill_the_range(tmp_path, bits):
    values = RNG.integers(0, 2**bits, (1, 20, 30), dtype=np.uint8)
    image = SceneImage(save(tmp_path / 'a.tif', values, nbits=bits))
    np.testing.assert_array_equal(image.read()[..., 0], values[0] * (255 // (2**bits - 1)))


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_where_0_is_white(tmp_path, dtype):
    values = RNG.integers(0, 256, (1, 20, 30)).astype(dtype)
    values[0, 0] = 255
    image = SceneImage(save(tmp_path / 'a.tif', values, photometric='MINISWHITE'))
    np.testing.assert_array_equal(image.read()[..., 1], 255 - values[0])
    assert image.notes[-1 if dtype is np.uint8 else -2] == '0 is white: inverted'


@settings(max_examples=60)
@given(
    st.sampled_from([np.uint16, np.int16]).flatmap(
        lambda dtype: arrays(dtype, st.tuples(st.integers(1, 3), st.integers(1, 9), st.just(70)))
    )
)
def test_percentiles_are_numpys(bands):
    values = SampledValues(len(bands), bands.dtype)
    values.add(bands, np.ones(bands.shape, bool))
    found = values.percentiles(0, 1, 99.9)
    # in float64: in int16 numpy's own interpolation overflows
    np.testing.assert_allclose(found, np.percentile(bands.astype(float), [0, 1, 99.9]), rtol=1e-12)
    last = values.percentiles(99, band=len(bands) - 1)
    np.testing.assert_allclose(last, np.percentile(bands[-1].astype(float), [99]), rtol=1e-12)


PLAIN = RNG.integers(0, 256, (40, 52, 3), dtype=np.uint8)
LAYOUTS = {
    'stripped': {},
    'tiled': dict(tiled=True, blockxsize=16, blockysize=16),
    'one strip': dict(blockysize=40),
    'a row a strip': dict(blockysize=1),
    'planar': dict(interleave='band'),
    'big-endian': dict(endianness='big'),
    'BigTIFF': dict(bigtiff='YES'),
    'LZW with predictor': dict(compress='lzw', predictor=2),
    'ZSTD': dict(compress='zstd'),
    'LERC': dict(compress='lerc'),
    'JPEG, YCbCr': dict(compress='jpeg', photometric='YCBCR', tiled=True, blockxsize=16,
                        blockysize=16),
    'JPEG, RGB': dict(compress='jpeg', photometric='RGB'),
    'WebP': dict(compress='webp', webp_lossless=True),
}  # fmt: skip


@pytest.mark.parametrize('stream', [False, True])
@pytest.mark.parametrize('name', LAYOUTS)
def test_any_layout_of_a_tiff_is_what_gdal_shows(tmp_path, name, stream):
    path = save(tmp_path / 'a.tif', PLAIN.transpose(2, 0, 1), **LAYOUTS[name])
    with rasterio.open(path) as file:
        expected = file.read().transpose(1, 2, 0)
    image = SceneImage(path, stream)
    np.testing.assert_array_equal(image.read(), expected)
    np.testing.assert_array_equal(image.crop(5, 7, 30, 20), expected[7:27, 5:35])
    if 'JPEG' not in name:
        np.testing.assert_array_equal(expected, PLAIN)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_blocks_that_are_not_in_a_sparse_file_are_0(tmp_path, dtype):
    path = tmp_path / 'a.tif'
    profile = dict(
        count=3, height=300, width=300, dtype=dtype, sparse_ok='TRUE', compress='deflate'
    )
    with rasterio.open(
        path, 'w', 'GTiff', tiled=True, blockxsize=64, blockysize=64, **profile
    ) as f:
        f.write(np.full((3, 64, 64), 200, dtype), window=((64, 128), (64, 128)))
    for stream in (False, True):
        pixels = SceneImage(path, stream).read()
        assert (pixels[64:128, 64:128] > 100).all()
        pixels[64:128, 64:128] = 0
        assert not pixels.any()


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'LA', 'RGBA', 'CMYK', 'YCbCr', 'LAB'])
def test_modes_of_tiff_are_shown_as_pillow_and_gdal_agree(tmp_path, mode):
    picture = Image.fromarray(PLAIN).convert('LAB' if mode == 'LAB' else mode)
    if mode == 'LA':
        picture.putalpha(255)
    picture.save(tmp_path / 'a.tif')
    image = SceneImage(tmp_path / 'a.tif')
    if mode == 'LAB':
        assert image.notes == ('LAB converted to RGB',)
        return
    expected = np.asarray(picture.convert('RGB')).astype(int)  # not all versions of Pillow read it
    assert np.abs(image.read() - expected).max() <= (2 if mode == 'YCbCr' else 0)
    assert image.valid(0, 0, 52, 40) is None


def test_the_first_of_several_pages_is_taken_and_told(tmp_path):
    pages = [Image.fromarray(np.full_like(PLAIN, value)) for value in (10, 20, 30)]
    pages[0].save(tmp_path / 'a.tif', save_all=True, append_images=pages[1:])
    image = SceneImage(tmp_path / 'a.tif')
    assert (image.read() == 10).all()
    assert image.notes == ('3 pages: the first is taken',)


def test_twelve_bits(tmp_path):
    values = RNG.integers(0, 4096, (1, 60, 70)).astype(np.uint16)
    image = SceneImage(save(tmp_path / 'a.tif', values, nbits=12))
    top = np.percentile(values, 99.9)
    assert image.notes[1] == f'uint16 scaled: 0..{top:g} (P99.9) to 0..255'
    expected = np.rint(np.clip(values[0] * (255 / top), 0, 255))
    np.testing.assert_array_equal(image.read()[..., 0], expected)


def test_an_alpha_band_that_may_be_infrared_has_a_cure(tmp_path):
    bands = np.full((4, 9, 9), 50, np.uint8)
    colours = [Colour.red, Colour.green, Colour.blue, Colour.alpha]
    (note,) = SceneImage(save(tmp_path / 'a.tif', bands, colours)).notes
    assert '-colorinterp_4 undefined' in rendering.advice(note)
    assert not rendering.advice('LA: alpha dropped')
