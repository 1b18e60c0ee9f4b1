import os
import shutil

import numpy as np
import pytest
from benchmark_folders import ISAID_NUMBERS, put_together, write_isaid
from folders import ROOT, load_tool, tree
from PIL import Image

from samrs_mm.formats.scenes import isaid

REAL = ROOT.parent / 'shared/real/isaid'
SIZES = {
    'train/P0000': (1000, 1400),  # 2 x 2 tiles, the last ones shifted back
    'train/P0001': (525, 1500),  # lower than a tile, as 6402 x 525 in the real set
    'train/P0002': (896, 200),
    'val/P0003': (300, 310),
    'val/P0004': (896, 896),
}


@pytest.fixture(scope='module')
def tool():
    return load_tool('dataset_converters/prepare_isaid')


@pytest.fixture
def prepare(tool, tmp_path):
    def run(*flags, out='out', raw='raw', workers=0):
        flags = (tmp_path / raw, '--out', tmp_path / out, '--workers', workers, *flags)
        return tool.main([str(flag) for flag in flags])

    return run


@pytest.fixture
def small(monkeypatch):
    """The whole set is three and two scenes."""
    monkeypatch.setattr(isaid, 'SCENES', {'train': 3, 'val': 2})


def test_tiles_put_together_are_the_scenes(prepare, tmp_path, capsys, small):
    written = write_isaid(tmp_path / 'raw', SIZES)
    assert prepare(workers=2) == 0
    told = capsys.readouterr().out
    assert 'train    8 tiles of 3 scenes (the paper has 33,620)' in told
    assert 'val      2 tiles = 2 scenes x 1 (the paper has 11,533)' in told
    for key, (image, label) in written.items():
        split, name = key.split('/')
        found_image, found_label = put_together(tmp_path / 'out' / split, name, SIZES[key])
        np.testing.assert_array_equal(found_image, image)
        np.testing.assert_array_equal(found_label, label)
    names = os.listdir(tmp_path / 'out/train/images')
    assert {name for name in names if name.startswith('P0000')} == {
        f'P0000__896__{x}___{y}.png' for x in (0, 504) for y in (0, 104)
    }


def test_small_images_are_padded_black_and_255(prepare, tmp_path):
    write_isaid(tmp_path / 'raw', {'val/P0003': (300, 310)})
    assert prepare('--partial') == 0
    image = np.asarray(Image.open(tmp_path / 'out/val/images/P0003__896__0___0.png'))
    label = np.asarray(Image.open(tmp_path / 'out/val/labels/P0003__896__0___0.png'))
    outside = np.ones((896, 896), bool)
    outside[:300, :310] = False
    assert not image[outside].any()
    assert (label[outside] == 255).all()
    assert label[~outside].max() == 15


@pytest.mark.parametrize(('images', 'masks'), [
    ('images', 'images'), ('images/part1/images', 'Semantic_masks/images'),
])  # fmt: skip
def test_all_layouts_give_the_same_tiles(prepare, tmp_path, images, masks):
    sizes = {'train/P0000': (900, 300), 'train/P0001': (200, 200)}
    write_isaid(tmp_path / 'raw', sizes)
    write_isaid(tmp_path / 'other', sizes, images, masks)
    assert prepare('--partial') == 0
    assert prepare('--partial', out='two', raw='other') == 0
    for kind in ('images', 'labels'):
        one, two = (tree(tmp_path / out / 'train' / kind) for out in ('out', 'two'))
        assert one == two
        assert len(one) == 3


def test_a_grey_image_becomes_three_channels(prepare, tmp_path):
    write_isaid(tmp_path / 'raw', {'val/P0004': (896, 896)})
    path = tmp_path / 'raw/val/images/images/P0004.png'
    Image.open(path).convert('L').save(path)
    assert prepare('--partial') == 0
    tile = np.asarray(Image.open(tmp_path / 'out/val/images/P0004__896__0___0.png'))
    assert tile.shape == (896, 896, 3)
    assert (tile == np.asarray(Image.open(path))[..., None]).all()


def test_incomplete_downloads_are_refused(prepare, tmp_path, capsys, small):
    write_isaid(tmp_path / 'raw', SIZES)
    masks = tmp_path / 'raw/train/Semantic_masks/images/images'
    (masks / 'P0001_instance_color_RGB.png').unlink()
    assert prepare() == 2
    told = capsys.readouterr().err
    assert '1 of 6 files is missing, such as P0001_instance_color_RGB.png; unpack all' in told
    assert 'give --partial to take the 2 scenes' in told
    (tmp_path / 'raw/train/images/images/P0001.png').unlink()
    assert prepare() == 2
    assert 'train: 2 scenes, iSAID has 3 there' in capsys.readouterr().err
    shutil.rmtree(tmp_path / 'raw/val')
    assert prepare() == 2
    assert prepare('--partial') == 0
    assert 'train    5 tiles of 2 scenes' in capsys.readouterr().out
    assert prepare('--partial', raw='none') == 2


def test_colours_of_no_class_do_not_lose_the_rest(prepare, tmp_path, capsys, small):
    write_isaid(tmp_path / 'raw', SIZES)
    masks = tmp_path / 'raw/train/Semantic_masks/images/images'
    path = masks / 'P0000_instance_color_RGB.png'
    colours = np.asarray(Image.open(path)).copy()
    colours[700, 30:40] = (0, 63, 64)
    Image.fromarray(colours).save(path)
    (masks / 'P0002_instance_color_RGB.png').write_bytes(b'\x89PNG')
    assert prepare() == 1
    told = capsys.readouterr()
    assert 'P0000_instance_color_RGB.png: colour (0, 63, 64) at x=30, y=700 is of no' in told.err
    assert 'P0002_instance_color_RGB.png: cannot read the image' in told.err
    assert told.err.count('failed: ') == 2
    assert 'train    3 tiles = 1 scene x 3; 2 scenes failed' in told.out
    assert 'val      2 tiles' in told.out


def test_the_codes_are_the_devkits():
    rgb = np.array([[[n & 255, n >> 8 & 255, n >> 16] for n in ISAID_NUMBERS]], np.uint8)
    assert isaid.colour_code().decode(rgb).tolist() == [list(range(16))]
    assert isaid.SCENES == {'train': 1411, 'val': 458}


@pytest.mark.skipif(not REAL.is_dir(), reason='the real sample image is not here')
def test_a_real_scene(prepare, tmp_path):
    target = tmp_path / 'raw/train'
    shutil.copytree(REAL, target)
    assert prepare('--partial') == 0
    colours = np.asarray(Image.open(REAL / 'P0005_instance_color_RGB.png').convert('RGB'))
    numbers = colours.astype(int) @ (1, 256, 65536)
    expected = np.searchsorted(np.sort(ISAID_NUMBERS), numbers)
    expected = np.argsort(ISAID_NUMBERS)[expected]
    found = put_together(tmp_path / 'out/train', 'P0005', colours.shape[:2])[1]
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > 1
