"""What has no data in a scene is none in its tiles either, and has no class."""

import re

import numpy as np
import pytest
import rasterio
from folders import load_tool
from PIL import Image

from samrs_mm.core.images import SceneImage
from samrs_mm.core.tiling import TileSpec
from samrs_mm.formats.scenes.scene_labels import ColourCode, LabelledScene
from samrs_mm.prepare.map_tiles import MapTileCutter

SIDE = 100


@pytest.fixture
def scene(tmp_path):
    """A scene of 16 bits whose left half has no data, and the picture of its labels."""
    pixels = np.random.default_rng(0).integers(400, 900, (3, SIDE, SIDE)).astype(np.uint16)
    pixels[:, :, :50] = 65535
    (tmp_path / 'images').mkdir()
    path = tmp_path / 'images/a.tif'
    profile = dict(count=3, height=SIDE, width=SIDE, dtype='uint16', nodata=65535)
    with rasterio.open(path, 'w', 'GTiff', **profile) as file:
        file.write(pixels)
    profile |= dict(dtype='uint8', nodata=255)
    with rasterio.open(tmp_path / 'labels.tif', 'w', 'GTiff', **profile) as file:
        file.write(np.full((3, SIDE, SIDE), 255, np.uint8))
    return path


def test_box_tiles(scene, tmp_path, capsys):
    main = load_tool('dataset_converters/prepare_tiles').main
    argv = ['--images', str(scene.parent), '--out', str(tmp_path / 'out')]
    assert main([*argv, '--size', '64', '--overlap', '16', '--workers', '0']) == 0
    said = capsys.readouterr().err
    assert 'note: nodata 65535: no pixels there (a.tif)' in said
    assert 'note: uint16 scaled: 0..' in said
    whole, tiles = SceneImage(scene), sorted((tmp_path / 'out/images').iterdir())
    assert len(tiles) == 4
    for path in tiles:
        x, y = map(int, re.findall(r'\d+', path.stem)[-2:])
        tile = SceneImage(path)
        np.testing.assert_array_equal(tile.read(), whole.crop(x, y, 64, 64))
        expected, found = whole.valid(x, y, 64, 64), tile.valid(0, 0, 64, 64)
        assert (found is None) == (expected is None)
        if found is not None:
            np.testing.assert_array_equal(found, expected)
    with Image.open(tiles[-1]) as image:
        assert image.mode == ('RGB' if whole.valid(36, 36, 64, 64) is None else 'RGBA')


def test_map_tiles(scene, tmp_path):
    """White is a class, and stays one where the labels' own file calls it no data."""
    labelled = LabelledScene('a', 'train', scene, tmp_path / 'labels.tif')
    code = ColourCode({(255, 255, 255): 3, (0, 0, 0): 255})
    spec = TileSpec(size=64, overlap=16, pad=(1, 2, 3))
    cutter = MapTileCutter([labelled], code, spec, tmp_path / 'out')
    cutter.start()
    (result,) = cutter.run(0)
    assert result.error is None
    for path in (tmp_path / 'out/train/labels').iterdir():
        x = int(re.findall(r'\d+', path.stem)[-2])
        label = np.array(Image.open(path))
        assert (label[:, : max(50 - x, 0)] == 255).all()
        assert (label[:36, max(50 - x, 0) : 100 - x] == 3).all()
