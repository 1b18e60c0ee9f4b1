import warnings

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp as Colour
from rasterio.errors import NotGeoreferencedWarning

from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.images import SceneImage, write_png

SIDE = 64
NOISE = np.random.default_rng(0).normal(0, 1, (4, SIDE, SIDE))
LEFT = np.s_[:, :16]


def rule(**values):
    return ImageRule.from_config(values)


def save(path, bands, names=(), colours=None, **options):
    count, height, width = bands.shape
    profile = dict(width=width, height=height, count=count, dtype=bands.dtype, tiled=True)
    profile |= dict(blockxsize=16, blockysize=16, driver='GTiff', **options)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', NotGeoreferencedWarning)
        with rasterio.open(path, 'w', **profile) as file:
            file.write(bands)
            for band, name in enumerate(names, 1):
                file.set_band_description(band, name)
            if colours:
                file.colorinterp = colours
    return path


def both(path, **values):
    """Return the image of a file as it is held, compared with the one that is streamed."""
    held, streamed = (SceneImage(path, stream, rule=rule(**values)) for stream in (False, True))
    whole = held.read()
    np.testing.assert_array_equal(streamed.read(), whole)
    for image in (held, streamed):
        np.testing.assert_array_equal(image.crop(7, 13, 40, 21), whole[13:34, 7:47])
        assert image.notes == held.notes
    valid = [image.valid(0, 0, SIDE, SIDE) for image in (held, streamed)]
    np.testing.assert_array_equal(*valid)
    known = SceneImage(path, True, rule=rule(**values), known=held.stretch)
    np.testing.assert_array_equal(known.read(), whole)
    assert known.notes == held.notes
    return whole, valid[0], held.notes


def test_bands_by_number_name_and_order(tmp_path):
    names = ['B02', 'B03', 'B04', 'B08']
    bands = np.arange(4 * SIDE * SIDE).reshape(4, SIDE, SIDE) % 251
    path = save(tmp_path / 'a.tif', bands.astype(np.uint8), names, photometric='minisblack')
    whole, _, notes = both(path, bands=('B08', 3, 'b2'))
    np.testing.assert_array_equal(whole, bands[[3, 2, 1]].transpose(1, 2, 0))
    assert notes == ('image.bands: B08, b3, b2 shown',)
    grey, _, notes = both(path, bands='b04')
    np.testing.assert_array_equal(grey, np.repeat(bands[2][..., None], 3, 2))
    assert notes == ('image.bands: b04 shown grey',)


def test_of_two_channels_the_third_is_the_mean(tmp_path):
    bands = (np.abs(NOISE[:2]) * 60).astype(np.uint8)
    whole, _, notes = both(save(tmp_path / 'a.tif', bands), bands=(1, 2))
    np.testing.assert_array_equal(whole[..., 2], bands.astype(int).sum(axis=0) // 2)
    assert notes == ('image.bands: b1, b2 shown; the third is their mean',)


def test_a_radar_scene_in_power_is_shown_in_decibels(tmp_path):
    power = 10 ** ((-14 + 3 * NOISE[:2]) / 10)
    path = save(tmp_path / 'a.tif', power.astype(np.float32))
    limits = [(-25, 0), (-30, -5), (0.5, 2)]
    text = ('db(b1)', 'db(b2)', 'db(b1) / db(b2)')
    whole, valid, notes = both(path, bands=text, stretch='range', limits=limits)
    assert valid is None
    expected = np.stack([10 * np.log10(power[0]), 10 * np.log10(power[1])])
    for channel, (low, high) in enumerate(limits[:2]):
        scaled = np.clip((expected[channel] - low) / (high - low), 0, 1) * 255
        assert np.abs(whole[..., channel] - scaled).max() <= 0.51
    assert 'float32 scaled: -25..0, -30..-5, 0.5..2 to 0..255, as image.limits says' in notes


@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'int16', 'float32'])
def test_percentiles_are_those_of_the_data(tmp_path, dtype):
    values = (90 + 20 * NOISE[:3]).astype(dtype)
    values[:, :, :16] = 7
    path = save(tmp_path / 'a.tif', values)
    whole, valid, notes = both(path, stretch='percentile', limits=(2, 98), nodata=7)
    assert not valid[LEFT].any()
    assert valid[:, 16:].all()
    assert (whole[LEFT] == 0).all()
    for channel, band in enumerate(values[:, :, 16:].astype(float)):
        low, high = np.percentile(band, (2, 98))
        scaled = np.rint(np.clip((band - low) / (high - low), 0, 1) * 255)
        assert np.abs(whole[:, 16:, channel] - scaled).max() <= 1
    assert any('(P2..P98)' in note for note in notes)
    assert 'image.nodata 7: no pixels there' in notes


def test_gamma(tmp_path):
    values = np.arange(SIDE * SIDE).reshape(1, SIDE, SIDE).astype(np.uint8)
    path = save(tmp_path / 'a.tif', values)
    whole, _, notes = both(path, gamma=2)
    np.testing.assert_array_equal(whole[..., 0], np.rint((values[0] / 255) ** 0.5 * 255))
    assert 'image.gamma 2' in notes


def test_bright_pixels_are_data_though_the_file_calls_them_none(tmp_path):
    """As in orthophotos of 8 bits whose nodata value is 255."""
    values = np.clip(128 + 90 * NOISE[:3], 0, 255).astype(np.uint8)
    values[:, 20:30, 20:30] = 255
    path = save(tmp_path / 'a.tif', values, nodata=255, photometric='rgb')
    assert not SceneImage(path).valid(0, 0, SIDE, SIDE)[20:30, 20:30].any()
    whole, valid, notes = both(path, nodata=None)
    assert valid is None
    np.testing.assert_array_equal(whole, values.transpose(1, 2, 0))
    assert 'image.nodata None: all pixels have data' in notes


def test_an_alpha_band_that_is_infrared_is_data(tmp_path):
    values = np.clip(128 + 90 * NOISE, 0, 255).astype(np.uint8)
    values[3, 10:20] = 0
    colours = [Colour.red, Colour.green, Colour.blue, Colour.alpha]
    path = save(tmp_path / 'a.tif', values, colours=colours)
    assert not SceneImage(path).valid(0, 0, SIDE, SIDE)[10:20].any()
    whole, valid, _ = both(path, bands=(4, 1, 2), nodata=None)
    assert valid is None
    np.testing.assert_array_equal(whole, values[[3, 0, 1]].transpose(1, 2, 0))


@pytest.mark.parametrize('nodata', ['file', -9999])
def test_nodata_goes_into_no_expression(tmp_path, nodata):
    values = np.abs(100 + 20 * NOISE[:2]).astype(np.float32)
    values[0][LEFT] = -9999  # one band alone
    path = save(tmp_path / 'a.tif', values, nodata=-9999)
    whole, valid, _ = both(path, bands='ndi(b1, b2)', nodata=nodata)
    assert not valid[LEFT].any()
    assert valid[:, 16:].all()
    assert (whole[LEFT] == 0).all()
    assert 100 < np.median(whole[:, 16:]) < 155


def test_pictures_follow_the_rule_too(tmp_path):
    pixels = np.clip(128 + 60 * NOISE[:3], 0, 255).astype(np.uint8).transpose(1, 2, 0)
    write_png(tmp_path / 'a.png', pixels)
    whole = SceneImage(tmp_path / 'a.png', rule=rule(bands=(3, 2, 1))).read()
    np.testing.assert_array_equal(whole, pixels[..., ::-1])


def test_a_rule_that_does_not_fit_a_file_is_told_with_the_file(tmp_path):
    path = save(tmp_path / 'a.tif', NOISE[:2].astype(np.float32), ['VV', 'VH'])
    for values, said in (
        (dict(bands=(1, 2, 3)), r"no band 'b3'; the file has b1 to b2 \(VV, VH\)"),
        (dict(bands=1, stretch='range', limits=[(0, 1), (0, 2)]), '2 pairs, but 1 channels'),
    ):
        with pytest.raises(ImageReadError, match=rf'a\.tif.*image\..*{said}'):
            SceneImage(path, rule=rule(**values))


def test_no_rule():
    for entry in (None, {}, dict(bands=None, stretch=None, limits=None, gamma=1, nodata='file')):
        assert ImageRule.from_config(entry) is None


def test_a_rule_as_plain_data():
    entry = dict(bands=['b4', 3], stretch='range', limits=[[0, 1], [0, 2.5]], nodata=None)
    assert ImageRule.from_config(entry) == rule(
        bands=('b4', 3), stretch='range', limits=((0, 1), (0, 2.5)), nodata=None
    )
    assert rule(**entry).as_dict() == dict(
        bands=('b4', 3), stretch='range', limits=((0, 1), (0, 2.5)), nodata=None
    )


@pytest.mark.parametrize(
    ('entry', 'said'),
    [
        ('red', 'allowed: None or dict'),
        (dict(band=1), 'image.band is unknown; allowed: bands, stretch, limits, gamma, nodata'),
        (dict(bands=()), 'one to three bands'),
        (dict(bands=(1, 2, 3, 4)), r"one to three bands.*with image\.form='bands' or 'values'"),
        (dict(form='rgba'), "allowed: 'rgb', 'bands', 'values'"),
        (dict(form='bands', bands=()), 'one band or more'),
        (dict(form='values', gamma=2), 'leave image.stretch, limits and gamma out'),
        (dict(form='values', stretch='percentile'), "or choose image.form='bands'"),
        (dict(bands=1.5), 'one to three bands'),
        (dict(bands='b1.real'), 'image.bands: .* is not allowed'),
        (dict(stretch='minmax'), "allowed: 'percentile', 'range', None"),
        (dict(limits=(1, 99)), 'say by image.stretch'),
        (dict(stretch='range'), 'a lower and an upper value'),
        (dict(stretch='range', limits=(5, 5)), 'a lower and an upper value'),
        (dict(stretch='range', limits=((0, 1), 2)), 'a lower and an upper value'),
        (dict(stretch='range', limits=(0, float('nan'))), 'a lower and an upper value'),
        (dict(stretch='percentile', limits=(1, 101)), 'percentile, 0 to 100'),
        (dict(stretch='percentile', limits=3), 'percentile, 0 to 100'),
        (dict(gamma=0), 'a number above 0'),
        (dict(gamma='2'), 'a number above 0'),
        (dict(nodata='none'), "allowed: 'file', a number, None"),
        (dict(nodata=float('nan')), "allowed: 'file', a number, None"),
    ],
)
def test_impossible_values_are_refused(entry, said):
    with pytest.raises(RefusedError, match=said) as error:
        ImageRule.from_config(entry)
    assert '\n' not in str(error.value)


def test_what_networks_get_and_what_pictures_show_of_it():
    limits = ((0, 1), (0, 2), (0, 3), (0, 4))
    four = rule(bands=(5, 4, 3, 2), form='bands', stretch='range', limits=limits)
    assert four.count == 4
    assert four.picture() == rule(bands=(5, 4, 3), stretch='range', limits=limits[:3])
    assert rule(bands=(7, 2), form='values').picture() == rule(bands=(7,))
    every = rule(form='values')
    assert (every.count, every.picture()) == (None, None)
    assert rule(gamma=2.0).count == 3
