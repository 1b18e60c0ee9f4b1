import shutil

import numpy as np
import pytest

from samrs_mm.core.classes import SIOR_CLASSES
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.datasets.boxes.base import Scene
from samrs_mm.datasets.boxes.dior import DIORBoxDataset
from samrs_mm.registry import BOX_DATASETS

HORIZONTAL = 'Annotations/Horizontal Bounding Boxes'


def test_all_splits_with_their_names(dior_root):
    dataset = BOX_DATASETS.build(
        dict(type='DIORBoxDataset', data_root=str(dior_root), classes='sior')
    )
    assert dataset.scenes == [
        Scene('00001', 'JPEGImages-trainval/00001.jpg', f'{HORIZONTAL}/00001.xml', 'train'),
        Scene('00002', 'JPEGImages-trainval/00002.jpg', f'{HORIZONTAL}/00002.xml', 'val'),
        Scene('11726', 'JPEGImages-test/11726.jpg', f'{HORIZONTAL}/11726.xml', 'test'),
        Scene('11727', 'JPEGImages-test/11727.jpg', None, 'test'),
        Scene('90000', None, f'{HORIZONTAL}/90000.xml', None),
    ]
    assert dataset.classes == SIOR_CLASSES
    label_counts = dataset.collect_classes()
    assert (label_counts.scenes, label_counts.boxes, label_counts.problems) == (5, 5, 0)
    assert dataset.labels(0).boxes[0].box_id == f'{HORIZONTAL}/00001.xml:2'
    assert dataset.labels(3).boxes == []


def test_oriented_files_may_hold_horizontal_boxes(dior_root):
    dataset = DIORBoxDataset(dior_root, labels='Oriented Bounding Boxes')
    (corners,), (sides,) = dataset.labels(0).boxes, dataset.labels(1).boxes
    np.testing.assert_array_equal(corners.polygon, [[3, 4], [20, 4], [20, 30], [3, 30]])
    np.testing.assert_array_equal(sides.hbox, [3, 4, 20, 30])


def test_splits_by_folder_without_lists_and_other_folder_names(dior_root):
    shutil.rmtree(dior_root / 'ImageSets')
    (dior_root / 'JPEGImages-trainval').rename(dior_root / 'trainval_images')
    (dior_root / 'JPEGImages-test').rename(dior_root / 'test_images')
    scenes = DIORBoxDataset(dior_root).scenes
    assert [scene.split for scene in scenes] == ['trainval', 'trainval', 'test', 'test', None]
    assert scenes[0].image == 'trainval_images/00001.jpg'


def test_absent_label_folder_is_refused(dior_root):
    with pytest.raises(RefusedError, match="no folder 'Annotations/Rotated Boxes'"):
        DIORBoxDataset(dior_root, labels='Rotated Boxes')


def test_same_image_in_two_folders_is_refused(dior_root, make_image):
    make_image(dior_root / 'JPEGImages-test/00001.jpg')
    with pytest.raises(RefusedError, match="two images would both be called '00001'"):
        DIORBoxDataset(dior_root)


def test_malformed_file_fails_alone(dior_root, make_text):
    make_text(dior_root / HORIZONTAL / '00001.xml', '<annotation>\n<object>')
    dataset = DIORBoxDataset(dior_root)
    with pytest.raises(LabelReadError, match=r'00001.xml:2:\d+: malformed XML'):
        dataset.labels(0)
    label_counts = dataset.collect_classes()
    assert (label_counts.boxes, label_counts.problems) == (3, 1)
