"""Pascal VOC folders read in place.

``tests/data/box_formats/voc`` was written by supervision 0.31.2
(``DetectionDataset.as_pascal_voc``), whose pixels count from 1; the layout of the challenge follows
its development kit, Roboflow's its export.
"""

import shutil

import numpy as np
import pytest
from format_cases import FOLDER, SIZES, assert_boxes, draw, take
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.errors import LabelReadError
from samrs_mm.registry import BOX_DATASETS


def build(root, **options):
    return BOX_DATASETS.build(dict(type='VOCBoxDataset', data_root=str(root), **options))


@pytest.mark.parametrize('upper', [False, True])
def test_boxes_of_a_folder_by_supervision(tmp_path, upper):
    root = take('voc', tmp_path / 'voc')
    if upper:
        (root / 'annotations').rename(root / 'Annotations')
    dataset = build(root, one_based=True)
    assert_boxes(dataset)
    assert dataset.classes == ('harbour', 'ship')
    assert [scene.split for scene in dataset.scenes] == [None, None]
    first = build(root).labels(0).boxes[0]
    assert first.hbox.tolist() == [5, 7, 20, 16]  # as written
    assert first.box_id.endswith('nnotations/harbour one.xml:14')


def test_parts_by_image_sets(tmp_path):
    root = tmp_path / 'VOC2012'
    shutil.copytree(FOLDER / 'voc/annotations', root / 'Annotations')
    for stem, size in SIZES.items():
        draw(root / f'JPEGImages/{stem}.jpg', size)
    lists = root / 'ImageSets/Main'
    lists.mkdir(parents=True)
    (lists / 'train.txt').write_text('pier\n')
    (lists / 'val.txt').write_text('harbour one\n')
    dataset = build(root)
    assert {scene.stem: scene.split for scene in dataset.scenes} == {
        'harbour one': 'val', 'pier': 'train',
    }  # fmt: skip
    assert dataset.label_notes == [
        'parts: train 1, val 1 (by ImageSets/Main/train.txt, ImageSets/Main/val.txt)'
    ]


def test_side_by_side_in_folders_of_parts_as_roboflow_has_it(tmp_path):
    for part, stem in (('train', 'pier'), ('valid', 'harbour one')):
        draw(tmp_path / part / f'{stem}.jpg', SIZES[stem])
        shutil.copy(FOLDER / f'voc/annotations/{stem}.xml', tmp_path / part)
    dataset = build(tmp_path, one_based=True)
    assert {scene.stem: scene.split for scene in dataset.scenes} == {
        'train__pier': 'train', 'valid__harbour one': 'val',
    }  # fmt: skip
    assert_boxes(dataset, stems={'pier': 'train__pier', 'harbour one': 'valid__harbour one'})


def test_exchanged_label_files_and_bad_objects_are_problems(tmp_path):
    root = take('voc', tmp_path / 'voc')
    file = root / 'annotations/pier.xml'
    file.write_text(file.read_text().replace('pier.png', 'harbour one.png'))
    other = root / 'annotations/harbour one.xml'
    other.write_text(other.read_text().replace('<xmin>31</xmin>', ''))
    counts = build(root).collect_classes()
    assert (counts.boxes, counts.problems) == (1, 2)


@pytest.fixture
def challenge(tmp_path):
    """Two images in VOC's own layout, one of them with a picture of objects and one of classes."""
    root = tmp_path / 'VOC2012'
    boxes = {'dog': (11, 11, 30, 30), 'cat': (41, 11, 60, 40)}
    for stem in ('a', 'b'):
        draw(root / f'JPEGImages/{stem}.jpg', (80, 60))
        objects = ''.join(
            f'<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>'
            f'<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>'
            for name, (x0, y0, x1, y1) in boxes.items()
        )
        (root / 'Annotations').mkdir(exist_ok=True)
        size = '<size><width>80</width><height>60</height><depth>3</depth></size>'
        text = f'<annotation><filename>{stem}.jpg</filename>{size}{objects}</annotation>'
        (root / f'Annotations/{stem}.xml').write_text(text)
    write_objects(root, numbers_of())
    write_objects(root, numbers_of() * 7, 'SegmentationClass')
    return root


def numbers_of():
    numbers = np.zeros((60, 80), np.uint8)
    numbers[10:30, 10:30], numbers[12:28, 12:28] = 255, 1
    numbers[10:40, 40:60] = 2
    return numbers


def write_objects(root, numbers, folder='SegmentationObject'):
    picture = Image.fromarray(numbers, 'P')
    picture.putpalette([*range(256)] * 3)
    (root / folder).mkdir(exist_ok=True)
    picture.save(root / folder / 'a.png')


def test_pictures_of_objects_are_true_masks_and_no_images(challenge):
    dataset = build(challenge, one_based=True)
    assert [scene.image for scene in dataset.scenes] == ['JPEGImages/a.jpg', 'JPEGImages/b.jpg']
    dog, cat = (box.box_id for box in dataset.labels(0).boxes)
    truth = dataset.ground_truth_of(0)
    assert truth == {
        dog: masks.encode(numbers_of() == 1), cat: masks.encode(numbers_of() == 2),
    }  # fmt: skip
    assert dataset.ground_truth_of(1) == {}
    assert [path.name for path in dataset.truth_files(0)] == ['a.png']


def test_pictures_of_other_objects_are_named(challenge):
    swapped = np.array([0, 2, 1, *range(3, 256)], np.uint8)[numbers_of()]
    cases = [
        (swapped, r'the object 1 lies outside of its box, Annotations/a\.xml:1; are the two'),
        (numbers_of() * 2, r'has an object 254, Annotations/a\.xml has 2 objects'),
    ]
    for numbers, said in cases:
        write_objects(challenge, numbers)
        with pytest.raises(LabelReadError, match=said):
            build(challenge).ground_truth_of(0)
    draw(challenge / 'SegmentationObject/a.png', (80, 60))
    with pytest.raises(LabelReadError, match='a picture of mode RGB; objects are numbers'):
        build(challenge).ground_truth_of(0)
    (challenge / 'SegmentationObject/a.png').write_bytes(b'no picture')
    with pytest.raises(LabelReadError, match='cannot read the picture of objects'):
        build(challenge).ground_truth_of(0)
