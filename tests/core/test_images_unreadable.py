"""Files that are no images, or damaged: one line says so."""

import cv2
import numpy as np
import pytest
import rasterio
from image_cases import DEEP, LOSSLESS, RGB, save_tiff
from PIL import Image

from samrs_mm.core.errors import ImageReadError
from samrs_mm.core.images import SceneImage, image_size

ALL = (*LOSSLESS, 'jpg')


def test_complex_pixels_are_refused(tmp_path):
    path = save_tiff(tmp_path / 'a.tif', np.ones((1, 8, 9), np.complex64))
    with pytest.raises(ImageReadError, match='complex64 pixels can not be shown'):
        SceneImage(path)


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


def test_the_reason_of_a_failed_read_is_told(tmp_path):
    path = tmp_path / 'cut.tif'
    profile = dict(driver='GTiff', count=1, height=64, width=64, dtype='uint8')
    with rasterio.open(path, 'w', **profile) as file:
        file.write(np.arange(64 * 64, dtype=np.uint8).reshape(1, 64, 64))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ImageReadError, match=r'cut\.tif: cannot read the image: ') as caught:
        SceneImage(path).read()
    assert 'previous exception' not in str(caught.value)
