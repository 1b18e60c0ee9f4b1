import hashlib
import threading
import tracemalloc
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from samrs_mm.core import images
from samrs_mm.core.errors import ImageReadError, SamrsError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.images import SceneImage, file_sha256, image_size, write_png

HEIGHT, WIDTH = 37, 53
GREY_NOTE = ('1 band: grey replicated to 3 channels',)
AS_THEY_COME = 'bands 1, 2, 3 taken for red, green, blue: the file names none'
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
GREY = RGB[..., 0]
DEEP = RNG.integers(0, 4000, (HEIGHT, WIDTH, 3), dtype=np.uint16)
LOSSLESS = ('png', 'tif', 'bmp')
ALL = (*LOSSLESS, 'jpg')


def save(path: Path, pixels: np.ndarray | Image.Image, **options) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def save_tiff(path: Path, bands: np.ndarray, **options) -> Path:
    count, height, width = bands.shape
    profile = dict(width=width, height=height, count=count, dtype=bands.dtype, **options)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', NotGeoreferencedWarning)
        with rasterio.open(path, 'w', driver='GTiff', **profile) as file:
            file.write(bands)
    return path


def scaled(values: np.ndarray) -> np.ndarray:
    top = float(np.percentile(values, 99.9))
    return np.rint(np.clip(values.astype(np.float32) * (255 / top), 0, 255)).astype(np.uint8)


def check(path: Path, expected: np.ndarray, notes: tuple[str, ...] = ()):
    image = SceneImage(path)
    assert (image.width, image.height) == image_size(path) == (WIDTH, HEIGHT)
    pixels = image.read()
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    np.testing.assert_array_equal(pixels, expected)
    assert image.notes == notes


def grey3(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)


@pytest.mark.parametrize('kind', LOSSLESS)
def test_rgb_and_grey(tmp_path, kind):
    check(save(tmp_path / f'rgb.{kind}', RGB), RGB)
    check(save(tmp_path / f'grey.{kind}', GREY), grey3(GREY), GREY_NOTE)


def test_jpeg(tmp_path):
    path = save(tmp_path / 'a.jpg', RGB, quality=95)
    check(path, np.asarray(Image.open(path)))
    path = save(tmp_path / 'grey.jpeg', GREY)
    check(path, grey3(np.asarray(Image.open(path))), GREY_NOTE)


def test_cmyk_jpeg(tmp_path):
    path = save(tmp_path / 'a.jpg', Image.fromarray(RGB).convert('CMYK'), quality=95)
    check(path, np.asarray(Image.open(path).convert('RGB')), ('CMYK converted to RGB',))


@pytest.mark.parametrize('kind', ['png', 'tif'])
def test_alpha_is_dropped_not_blended(tmp_path, kind):
    alpha = RNG.integers(1, 256, (HEIGHT, WIDTH, 1), dtype=np.uint8)
    rgba = np.concatenate([RGB, alpha], axis=-1)
    check(save(tmp_path / f'rgba.{kind}', rgba), RGB, ('RGBA: alpha dropped',))
    la = np.concatenate([GREY[..., None], alpha], axis=-1)
    check(save(tmp_path / f'la.{kind}', la), grey3(GREY), ('LA: alpha dropped',))


@pytest.mark.parametrize('kind', LOSSLESS)
def test_palette(tmp_path, kind):
    image = Image.fromarray(RGB).quantize(17)
    path = save(tmp_path / f'p.{kind}', image)
    check(path, np.asarray(image.convert('RGB')), ('P converted to RGB',))


@pytest.mark.filterwarnings('error')
def test_transparency_in_palette_and_grey(tmp_path):
    image = Image.fromarray(RGB).quantize(17)
    path = save(tmp_path / 'p.png', image, transparency=bytes(range(17)))
    seen = np.where(np.asarray(image)[..., None], np.asarray(image.convert('RGB')), 0)
    check(path, seen, ('P converted to RGB',))
    path = save(tmp_path / 'l.png', GREY, transparency=7)
    check(path, grey3(np.where(GREY == 7, 0, GREY)), GREY_NOTE)
    np.testing.assert_array_equal(SceneImage(path, stored=True).read(), grey3(GREY))


def test_one_bit(tmp_path):
    bits = GREY > 128
    for kind in LOSSLESS:
        path = save(tmp_path / f'a.{kind}', bits)
        check(path, grey3(bits.astype(np.uint8) * 255), GREY_NOTE)


def test_sixteen_bit_colours_of_bmp_are_no_deep_image(tmp_path):
    header = b'BM' + (54 + 4).to_bytes(4, 'little') + bytes(4) + (54).to_bytes(4, 'little')
    info = [
        (40, 4),
        (2, 4),
        (1, 4),
        (1, 2),
        (16, 2),
        (0, 4),
        (4, 4),
        (0, 4),
        (0, 4),
        (0, 4),
        (0, 4),
    ]
    header += b''.join(value.to_bytes(size, 'little') for value, size in info)
    (tmp_path / 'a.bmp').write_bytes(header + b'\x1f\x00\x00\x7c')
    assert SceneImage(tmp_path / 'a.bmp').read().tolist() == [[[0, 0, 255], [255, 0, 0]]]


@pytest.mark.parametrize('kind', ['png', 'tif'])
def test_sixteen_bit(tmp_path, kind):
    note = f'uint16 scaled: 0..{np.percentile(DEEP, 99.9):g} (P99.9) to 0..255'
    cv2.imwrite(str(tmp_path / f'rgb.{kind}'), DEEP[..., ::-1])
    check(tmp_path / f'rgb.{kind}', scaled(DEEP), (note,))
    grey = np.ascontiguousarray(DEEP[..., 0])
    note = f'uint16 scaled: 0..{np.percentile(grey, 99.9):g} (P99.9) to 0..255'
    cv2.imwrite(str(tmp_path / f'grey.{kind}'), grey)
    check(tmp_path / f'grey.{kind}', grey3(scaled(grey)), (*GREY_NOTE, note))


def test_sixteen_bit_png_with_alpha(tmp_path):
    alpha = DEEP[..., :1] | 256
    cv2.imwrite(str(tmp_path / 'a.png'), np.concatenate([DEEP[..., ::-1], alpha], axis=-1))
    image = SceneImage(tmp_path / 'a.png')
    np.testing.assert_array_equal(image.read(), scaled(DEEP))
    assert image.notes[0] == 'RGBA: alpha dropped'


@pytest.mark.parametrize('dtype', ['float32', 'float64', 'int16', 'uint32'])
@pytest.mark.parametrize('layout', [{}, dict(tiled=True, blockxsize=16, blockysize=16)])
def test_other_types_of_tiff(tmp_path, dtype, layout):
    bands = np.moveaxis(DEEP, -1, 0).astype(dtype)
    path = save_tiff(tmp_path / 'a.tif', bands, **layout)
    note = f'{dtype} scaled: 0..{np.percentile(DEEP, 99.9):g} (P99.9) to 0..255'
    check(path, scaled(DEEP), (AS_THEY_COME, note))


def test_bands_beyond_the_third_are_dropped_and_two_are_grey(tmp_path):
    bands = np.moveaxis(np.concatenate([RGB, RGB[..., :2]], axis=-1), -1, 0)
    notes = ('5 bands: extra bands dropped', AS_THEY_COME)
    check(save_tiff(tmp_path / 'a.tif', bands), RGB, notes)
    image = SceneImage(save_tiff(tmp_path / 'b.tif', bands[:2].astype(np.float32)))
    assert image.notes[0] == '2 bands: band 1 shown grey, the others dropped'


def test_nodata_of_float_images_neither_scales_nor_blackens(tmp_path):
    values = DEEP[..., :1].astype(np.float32)
    values[:5], values[5:7], values[7:9] = np.nan, -np.inf, np.inf
    pixels = SceneImage(save_tiff(tmp_path / 'a.tif', np.moveaxis(values, -1, 0))).read()
    assert (pixels[:9] == 0).all()
    assert 100 < pixels[9:].mean() < 150


@pytest.mark.parametrize('value', [0, -5, np.nan])
def test_an_image_without_light_is_black(tmp_path, value):
    bands = np.full((1, 8, 9), value, np.float32)
    assert (SceneImage(save_tiff(tmp_path / 'a.tif', bands)).read() == 0).all()


def test_complex_pixels_are_refused(tmp_path):
    path = save_tiff(tmp_path / 'a.tif', np.ones((1, 8, 9), np.complex64))
    with pytest.raises(ImageReadError, match='complex64 pixels can not be shown'):
        SceneImage(path)


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


@pytest.mark.parametrize('kind', ['jpg', 'png', 'tif'])
@pytest.mark.parametrize('orientation', [1, 3, 6])
def test_orientation_is_ignored_since_boxes_are_in_stored_pixels(tmp_path, kind, orientation):
    tags = Image.Exif()
    tags[274] = orientation
    path = tmp_path / f'a.{kind}'
    save(path, RGB, exif=tags)
    stored = np.array(RGB)
    if kind == 'jpg':
        save(tmp_path / 'plain.jpg', RGB)
        stored = np.asarray(Image.open(tmp_path / 'plain.jpg'))
    image = SceneImage(path)
    np.testing.assert_array_equal(image.read(), stored)
    assert any('is not applied' in note for note in image.notes) == (orientation != 1)


def test_a_further_page_beyond_the_file_is_named(tmp_path):
    path = tmp_path / 'a.tif'
    Image.fromarray(np.zeros((40, 60), np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    directory = int.from_bytes(data[4:8], 'little')
    following = directory + 2 + 12 * int.from_bytes(data[directory : directory + 2], 'little')
    data[following : following + 4] = (1 << 29).to_bytes(4, 'little')
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match=r'a\.tif: cannot read the image: .*directory'):
        SceneImage(path)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize(
    ('kind', 'pixels'), [*((kind, RGB) for kind in ALL), ('png', DEEP), ('tif', DEEP)]
)
def test_truncated_at_any_point(tmp_path, kind, pixels):
    path = tmp_path / f'a.{kind}'
    cv2.imwrite(str(path), pixels)
    data = path.read_bytes()
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(ImageReadError) as caught:
            SceneImage(path)
        message = str(caught.value)
        assert message.startswith(f'{path}: cannot read the image: ')
        assert '\n' not in message


@pytest.mark.parametrize('kind', [*ALL, 'tiff'])
@pytest.mark.parametrize('read', [SceneImage, image_size])
def test_empty_missing_and_foreign_files(tmp_path, kind, read):
    path = tmp_path / f'a.{kind}'
    with pytest.raises(ImageReadError, match=r'no such image'):
        read(path)
    path.write_bytes(b'')
    with pytest.raises(ImageReadError, match=r'a\.\w+: the image file is empty \(0 bytes\)'):
        read(path)
    path.write_bytes(b'<html>not found</html>')
    with pytest.raises(ImageReadError, match=r'cannot read the image'):
        read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ImageReadError, match=r'cannot read the image'):
        read(path)


@pytest.mark.parametrize('read', [SceneImage, image_size])
def test_postscript_under_the_name_of_an_image_is_not_run(tmp_path, monkeypatch, read):
    """It is a program; Pillow hands it to Ghostscript where that is installed."""
    ran = []
    monkeypatch.setattr('PIL.EpsImagePlugin.Ghostscript', lambda *_: ran.append(1))
    path = tmp_path / 'a.png'
    path.write_bytes(b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n')
    with pytest.raises(ImageReadError, match=r'a\.png: cannot read the image: '):
        read(path)
    assert not ran


def test_crop_pads_beyond_the_border(tmp_path):
    image = SceneImage(save(tmp_path / 'a.png', RGB))
    window = image.crop(WIDTH - 10, HEIGHT - 7, 16, 9, pad=(1, 2, 3))
    np.testing.assert_array_equal(window[:7, :10], RGB[-7:, -10:])
    assert (window[7:] == (1, 2, 3)).all()
    assert (window[:, 10:] == (1, 2, 3)).all()


@pytest.mark.parametrize('deep', [False, True])
def test_windows_are_cut_from_the_whole(tmp_path, monkeypatch, deep):
    monkeypatch.setattr(images, '_STRIP', 5)
    cv2.imwrite(str(tmp_path / 'a.png'), DEEP if deep else RGB)
    image = SceneImage(tmp_path / 'a.png')
    whole = image.read()
    for x, y, width, height in ((0, 0, 8, 8), (3, 11, 50, 26), (52, 36, 1, 1)):
        np.testing.assert_array_equal(
            image.crop(x, y, width, height), whole[y : y + height, x : x + width]
        )


@pytest.mark.filterwarnings('error')
def test_the_limit_of_pillow_is_lifted_inside_and_stands_outside(tmp_path, monkeypatch):
    path = save(tmp_path / 'a.png', RGB)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path).close()
    assert image_size(path) == (WIDTH, HEIGHT)
    image = SceneImage(path)
    monkeypatch.setattr(images, '_STRIP', 1)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 30)
    np.testing.assert_array_equal(image.read(), RGB)
    assert Image.MAX_IMAGE_PIXELS == 30
    (tmp_path / 'bad.png').write_bytes(b'bad')
    with pytest.raises(ImageReadError):
        SceneImage(tmp_path / 'bad.png')
    assert Image.MAX_IMAGE_PIXELS == 30


def test_threads_that_read_at_once_restore_the_limit_of_pillow(tmp_path, monkeypatch):
    """The first to enter leaves first: if each restored what it found, the limit would stay off."""
    path = save(tmp_path / 'a.png', RGB)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 30)
    filters, open_pixels = list(warnings.filters), images._open_pixels
    entered = dict(first=threading.Event(), second=threading.Event())
    first_left, limits = threading.Event(), []

    def opening(path, *how):
        name = threading.current_thread().name
        entered[name].set()
        assert (entered['second'] if name == 'first' else first_left).wait(10)
        limits.append(Image.MAX_IMAGE_PIXELS)
        return open_pixels(path, *how)

    monkeypatch.setattr(images, '_open_pixels', opening)
    threads = [threading.Thread(target=SceneImage, args=[path], name=name) for name in entered]
    threads[0].start()
    assert entered['first'].wait(10)
    threads[1].start()
    threads[0].join()
    first_left.set()
    threads[1].join()
    assert limits == [None, None]
    assert Image.MAX_IMAGE_PIXELS == 30
    assert warnings.filters == filters


@pytest.mark.parametrize('pixels', [RGB, GREY])
def test_write_png(tmp_path, pixels):
    write_png(tmp_path / 'a.png', pixels)
    with Image.open(tmp_path / 'a.png') as image:
        assert image.mode == ('RGB' if pixels.ndim == 3 else 'L')
        np.testing.assert_array_equal(np.asarray(image), pixels)
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']


def test_write_png_names_the_file_that_cannot_be_encoded(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, 'imencode', lambda *_: (False, None))
    with pytest.raises(SamrsError, match=r'a\.png: .* could not be encoded'):
        write_png(tmp_path / 'a.png', RGB)


def test_file_sha256(tmp_path):
    (tmp_path / 'a').write_bytes(b'abc')
    assert file_sha256(tmp_path / 'a') == hashlib.sha256(b'abc').hexdigest()


def test_pixels_in_memory_are_an_image():
    image = SceneImage.of_array(RGB[:, ::-1])
    assert (image.width, image.height, image.notes) == (WIDTH, HEIGHT, ())
    np.testing.assert_array_equal(image.read(), RGB[:, ::-1])
    window = image.crop(WIDTH - 2, HEIGHT - 3, 4, 5, pad=(1, 2, 3))
    np.testing.assert_array_equal(window[:3, :2], RGB[-3:, 1::-1])
    assert (window[3:] == (1, 2, 3)).all()
    assert (window[:, 2:] == (1, 2, 3)).all()


def test_the_reason_of_a_failed_read_is_told(tmp_path):
    path = tmp_path / 'cut.tif'
    profile = dict(driver='GTiff', count=1, height=64, width=64, dtype='uint8')
    with rasterio.open(path, 'w', **profile) as file:
        file.write(np.arange(64 * 64, dtype=np.uint8).reshape(1, 64, 64))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ImageReadError, match=r'cut\.tif: cannot read the image: ') as caught:
        SceneImage(path).read()
    assert 'previous exception' not in str(caught.value)


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
