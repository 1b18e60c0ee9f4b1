"""Images of any kind of pixels, and what is written; Pillow's limit stands outside."""

import hashlib
import threading
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from image_cases import DEEP, GREY, HEIGHT, LOSSLESS, RGB, WIDTH, save, save_tiff
from PIL import Image

from samrs_mm.core import images
from samrs_mm.core.errors import ImageReadError, SamrsError
from samrs_mm.core.images import SceneImage, file_sha256, image_size, write_png

GREY_NOTE = ('1 band: grey replicated to 3 channels',)
AS_THEY_COME = 'bands 1, 2, 3 taken for red, green, blue: the file names none'


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
    alpha = np.random.default_rng(1).integers(1, 256, (HEIGHT, WIDTH, 1), dtype=np.uint8)
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
