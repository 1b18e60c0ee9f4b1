"""Pascal VOC folders read in place.

``tests/data/box_formats/voc`` was written by supervision 0.31.2
(``DetectionDataset.as_pascal_voc``), whose pixels count from 1; the layout of the challenge follows
its development kit, Roboflow's its export.
"""

import shutil

import pytest
from format_cases import FOLDER, SIZES, assert_boxes, draw, take

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
