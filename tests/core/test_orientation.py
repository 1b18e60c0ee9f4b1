import numpy as np
import pytest
from PIL import Image

from samrs_mm.core.images import SceneImage, image_header, image_size
from samrs_mm.core.orientation import orientation_note, orientation_of


def save(path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    Image.fromarray(pixels).save(path, exif=exif)
    return pixels


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'tif', 'webp', 'JPG'])
@pytest.mark.parametrize('orientation', [3, 6])
def test_it_is_noted_and_not_applied(tmp_path, suffix, orientation):
    path = tmp_path / f'a.{suffix}'
    pixels = save(path, orientation)
    assert orientation_of(path) == orientation
    assert image_header(path) == (7, 5, orientation)
    assert image_size(path) == (7, 5)
    image = SceneImage(path)
    assert (image.width, image.height) == (7, 5)
    text = f'EXIF orientation {orientation} is not applied: pixels are as stored'
    assert orientation_note(path) == (text,)
    assert text in image.notes
    if suffix in ('png', 'tif'):
        np.testing.assert_array_equal(image.read(), pixels)


@pytest.mark.parametrize('orientation', [0, 9, 1])
def test_numbers_that_are_no_turn(tmp_path, orientation):
    save(tmp_path / 'a.jpg', orientation)
    assert orientation_of(tmp_path / 'a.jpg') == 1
    assert image_header(tmp_path / 'a.jpg') == (7, 5, 1)
    assert not SceneImage(tmp_path / 'a.jpg').notes


def test_two_pictures_in_one_jpeg(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    other = [Image.new('RGB', (7, 5))]
    path = tmp_path / 'a.jpg'
    Image.new('RGB', (7, 5)).save(path, 'MPO', save_all=True, append_images=other, exif=exif)
    assert Image.open(path).format == 'MPO'
    assert orientation_of(path) == 6
    assert image_header(path) == (7, 5, 6)


@pytest.mark.parametrize(('kind', 'name'), [('JPEG', 'a.bmp'), ('GIF', 'a.jpg'), ('PPM', 'a.jpg')])
def test_what_is_not_turned_anywhere_is_upright(tmp_path, kind, name):
    exif = Image.Exif()
    exif[274] = 6
    Image.new('RGB', (7, 5)).save(tmp_path / name, kind, exif=exif)
    assert orientation_of(tmp_path / name) == 1
    assert image_header(tmp_path / name) == (7, 5, 1)


@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.bmp', 'missing.jpg', 'empty.jpg'])
def test_no_orientation_is_upright(tmp_path, name):
    if name.startswith('a'):
        Image.new('RGB', (8, 6)).save(tmp_path / name)
    elif name.startswith('empty'):
        (tmp_path / name).touch()
    assert orientation_of(tmp_path / name) == 1


def test_scenes_larger_than_pillow_allows(tmp_path, monkeypatch):
    save(tmp_path / 'a.jpg', 6)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 9)
    assert orientation_of(tmp_path / 'a.jpg') == 6
