import subprocess
import sys

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

from samrs_mm.core.errors import SamrsError
from samrs_mm.core.place import place_of
from samrs_mm.drawing.colours import class_colour
from samrs_mm.predict.scene_writer import OVERLAY_SIDE, OverlayWriter, SceneWriter

RNG = np.random.default_rng(0)
NAMES = ('ground', 'roof', 'road')
PLACE = dict(crs='EPSG:32633', transform=Affine(0.05, 0.01, 366_000.5, 0.02, -0.05, 5_807_999.25))
GCPS = dict(gcps=[GroundControlPoint(row, col, 13 + col / 100, 52 - row / 100)
                  for row, col in ((0, 0), (0, 40), (50, 0))], crs='EPSG:4326')  # fmt: skip


def write_tiff(path, pixels, **options):
    count, height, width = pixels.shape
    profile = dict(count=count, height=height, width=width, dtype=pixels.dtype)
    with rasterio.open(path, 'w', 'GTiff', **profile, **options) as file:
        file.write(pixels)
    return path


def strips(labels, shares=None, image=None, rows=100):
    for top in range(0, len(labels), rows):
        part = slice(top, top + rows)
        yield (
            labels[part],
            None if shares is None else shares[:, part],
            None if image is None else image[part],
        )


def write(root, scene, size, labels, shares=None, image=None, rows=100, suffix='.tif'):
    targets = dict(labels=root / f'labels{suffix}')
    if shares is not None:
        targets['probabilities'] = root / 'shares.tif'
    if image is not None:
        targets['overlays'] = root / 'overlay.jpg'
    with SceneWriter(targets, scene, size, NAMES) as writer:
        for strip in strips(labels, shares, image, rows):
            writer.push(*strip)
    return targets


@pytest.mark.parametrize(
    ('rows', 'suffix'), [(7, '.png'), (100, '.tif'), (256, '.png'), (700, '.tif')]
)
def test_strips_of_any_height_become_one_file(tmp_path, rows, suffix):
    size = 601, 530
    labels = RNG.integers(0, 4, size, dtype=np.uint8)
    shares = RNG.integers(0, 251, (3, *size), dtype=np.uint8)
    image = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / 'scene.png')
    targets = write(tmp_path, None, size, labels, shares, image, rows, suffix)
    found = Image.open(targets['labels'])
    assert found.mode == 'L'
    np.testing.assert_array_equal(np.asarray(found), labels)
    with rasterio.open(targets['probabilities']) as file:
        np.testing.assert_array_equal(file.read(), shares)
        assert file.descriptions == NAMES
        assert file.profile['tiled']
        assert file.compression.name == 'deflate'
    assert {path.name for path in tmp_path.iterdir()} == {
        'scene.png', *(path.name for path in targets.values())
    }  # fmt: skip


@pytest.mark.parametrize('place', [PLACE, GCPS])
def test_the_place_on_the_map_survives(tmp_path, place):
    scene = write_tiff(tmp_path / 'scene.tif', np.zeros((3, 60, 50), np.uint8), **place)
    labels = RNG.integers(0, 3, (60, 50), dtype=np.uint8)
    targets = write(tmp_path, place_of(scene), (60, 50), labels, np.zeros((3, 60, 50), np.uint8))
    for path in targets.values():
        with rasterio.open(path) as found, rasterio.open(scene) as before:
            assert found.crs == before.crs
            assert found.transform == before.transform
            assert found.nodata == 255
            one, other = found.gcps, before.gcps
            assert [(p.row, p.col, p.x, p.y) for p in one[0]] == [
                (p.row, p.col, p.x, p.y) for p in other[0]
            ]
            assert one[1] == other[1]
    with rasterio.open(targets['labels']) as found:
        np.testing.assert_array_equal(found.read(1), labels)
        assert found.tags()['CLASS_1'] == 'roof'


def test_images_without_a_place(tmp_path):
    write_tiff(tmp_path / 'a.tif', np.zeros((3, 20, 20), np.uint8))
    assert place_of(tmp_path / 'a.tif').profile == {}
    (tmp_path / 'a.tfw').write_text('0.5\n0\n0\n-0.5\n1000\n2000\n')
    assert place_of(tmp_path / 'a.tif').profile['transform'].a == 0.5


def test_a_place_that_is_told_beside_the_image(tmp_path):
    Image.fromarray(np.zeros((60, 50, 3), np.uint8)).save(tmp_path / 'a.png')
    with rasterio.open(tmp_path / 'a.png', 'r+') as file:
        file.crs, file.transform = PLACE['crs'], PLACE['transform']
    assert (tmp_path / 'a.png.aux.xml').exists()
    position = place_of(tmp_path / 'a.png').profile
    assert position['crs'].to_epsg() == 32633
    assert position['transform'] == PLACE['transform']


def test_an_overlay_is_reduced_and_tinted(tmp_path):
    size = 3 * OVERLAY_SIDE, 600
    image = np.full((*size, 3), 100, np.uint8)
    labels = np.zeros(size, np.uint8)
    labels[size[0] // 2 :] = 2
    labels[:, :300] = 255
    writer = OverlayWriter(tmp_path / 'a.jpg', size)
    for part, _, pixels in strips(labels, image=image, rows=321):
        writer.push(pixels, part)
    writer.publish()
    found = np.asarray(Image.open(tmp_path / 'a.jpg')).astype(int)
    assert found.shape == (OVERLAY_SIDE, 200, 3)
    for y, value in ((300, 0), (1700, 2)):
        expected = 0.55 * 100 + 0.45 * np.array(class_colour(value))
        assert np.abs(found[y, 150] - expected).max() < 6
    assert np.abs(found[[300, 1700], 50] - 100).max() < 3, 'no class, no tint'


def test_nothing_appears_when_a_scene_fails(tmp_path):
    targets = dict(labels=tmp_path / 'a.png', probabilities=tmp_path / 'a.tif')
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / 'scene.png')

    def stop_half_way():
        with SceneWriter(targets, None, (9, 9), NAMES) as writer:
            writer.push(np.zeros((5, 9), np.uint8), np.zeros((3, 5, 9), np.uint8), None)
            raise ValueError('stop')

    with pytest.raises(ValueError, match='stop'):
        stop_half_way()
    assert [path.name for path in tmp_path.iterdir()] == ['scene.png']


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.place import place_of
from samrs_mm.predict.scene_writer import SceneWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
root, suffix, side = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
labels = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    with SceneWriter(dict(labels=root / f'a{suffix}'), None, labels.shape, ['a']) as writer:
        writer.push(labels, None, None)
except SamrsError as error:
    print(error)
"""


@pytest.mark.parametrize(('suffix', 'side'), [('.tif', 200), ('.png', 700)])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, suffix, side):
    """GDAL keeps small files to itself until they are closed, and closing tells no errors."""
    command = [sys.executable, '-c', FULL, str(tmp_path), suffix, str(side)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f'a{suffix}: could not be written' in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_gone(tmp_path):
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / 'scene.png')
    with pytest.raises(SamrsError, match='could not be written'):
        SceneWriter(dict(labels=tmp_path / 'no/a.tif'), None, (9, 9), NAMES)
