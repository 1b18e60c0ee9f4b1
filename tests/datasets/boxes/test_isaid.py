import shutil

import numpy as np
import pytest
from folders import ROOT
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.masks import fill_polygon
from samrs_mm.datasets.boxes.base import Scene
from samrs_mm.datasets.boxes.isaid import ISAIDInstanceDataset
from samrs_mm.formats.scenes import isaid
from samrs_mm.registry import BOX_DATASETS

REAL = ROOT.parent / 'shared/real/isaid'
SHIP = (0, 0, 63)


def write_scene(root, stem, folders=('', '', ''), classless=False):
    """Write a picture with two ships; the second has no class colour if asked for."""
    ids, colours = np.zeros((2, 40, 50, 3), np.uint8)
    ids[2:8, 3:13], ids[20:30, 20:24] = (100, 0, 0), (0, 0, 100)
    colours[(ids > 0).any(axis=2)] = SHIP
    if classless:
        colours[20:30, 20:24] = 0
    pictures = '', '_instance_id_RGB', '_instance_color_RGB'
    for name, folder, pixels in zip(pictures, folders, (ids // 2, ids, colours), strict=True):
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / folder / f'{stem}{name}.png')


def test_boxes_and_masks_of_a_scene(tmp_path):
    write_scene(tmp_path, 'P0001', classless=True)
    dataset = BOX_DATASETS.build(dict(type='ISAIDInstanceDataset', data_root=str(tmp_path)))
    assert dataset.scenes == [Scene('P0001', 'P0001.png', 'P0001_instance_id_RGB.png')]
    assert dataset.classes == isaid.CLASSES[1:]
    labels, truth = dataset.labels(0), dataset.ground_truth_of(0)
    (ship,) = labels.boxes
    assert (ship.box_id, ship.category) == ('P0001_instance_id_RGB.png:100', 'ship')
    np.testing.assert_array_equal(ship.hbox, [3, 2, 13, 8])
    assert masks.bbox(truth[ship.box_id]) == [3, 2, 10, 6]
    (problem,) = labels.problems
    assert problem.box_id == 'P0001_instance_id_RGB.png:6553600'
    assert 'no class' in problem.message


def test_the_download_and_its_splits(tmp_path):
    parts = 'images/images', 'Instance_masks/images', 'Semantic_masks/images'
    write_scene(tmp_path, 'P0002', [f'train/{part}' for part in parts])
    write_scene(tmp_path, 'P0001', [f'val/{part}' for part in parts])
    shutil.copy(tmp_path / 'val/images/images/P0001.png', tmp_path / 'val/images/images/P0009.png')
    dataset = ISAIDInstanceDataset(tmp_path)
    assert [(scene.stem, scene.split) for scene in dataset.scenes] == [
        ('P0001', 'val'), ('P0002', 'train'), ('P0009', 'val'),
    ]  # fmt: skip
    assert dataset.scenes[1].image == 'train/images/images/P0002.png'
    assert dataset.ground_truth_of(2) == {}
    assert [len(dataset.labels(index).boxes) for index in range(3)] == [2, 2, 0]
    part = ISAIDInstanceDataset(tmp_path, split='train')
    assert part.scenes == [dataset.scenes[1]]
    assert set(part.ground_truth_of(0)) == {box.box_id for box in part.labels(0).boxes}


def test_bad_folders_and_files(tmp_path):
    with pytest.raises(RefusedError, match="split='test'; allowed: train, val, or None"):
        ISAIDInstanceDataset(tmp_path, split='test')
    write_scene(tmp_path, 'P0001')
    (tmp_path / 'P0001_instance_color_RGB.png').rename(tmp_path / 'elsewhere')
    with pytest.raises(RefusedError, match=r'no P0001_instance_color_RGB\.png with its classes'):
        ISAIDInstanceDataset(tmp_path)
    Image.new('RGB', (50, 40), (9, 9, 9)).save(tmp_path / 'P0001_instance_color_RGB.png')
    with pytest.raises(LabelReadError, match='is of no class'):
        ISAIDInstanceDataset(tmp_path).labels(0)


@pytest.mark.skipif(not REAL.is_dir(), reason='the real scene of iSAID is not on this machine')
def test_a_real_scene():
    dataset = ISAIDInstanceDataset(REAL)
    labels, truth = dataset.labels(0), dataset.ground_truth_of(0)
    assert (len(labels.boxes), len(truth), labels.problems) == (131, 131, [])
    assert {box.category for box in labels.boxes} == {'Large_Vehicle', 'Small_Vehicle'}
    picture = np.asarray(Image.open(REAL / 'P0005_instance_id_RGB.png')).astype(int)
    numbers = picture @ [1, 256, 65536]
    inside = []
    for box in labels.boxes:
        mask = masks.decode(truth[box.box_id])
        assert (mask == (numbers == int(box.box_id.rpartition(':')[2]))).all()
        filled = fill_polygon(box.polygon, *mask.shape)
        inside.append((filled & mask).sum() / mask.sum())
    assert min(inside) > 0.9
