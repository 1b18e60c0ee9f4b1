"""YOLO folders read in place.

``tests/data/box_formats/yolo`` and ``yolo-seg`` were written by supervision 0.31.2
(``DetectionDataset.as_yolo``); OBB and data.yaml follow docs.ultralytics.com/datasets, and
Roboflow's YOLO export.
"""

import shutil

import numpy as np
import pytest
from format_cases import SIZES, assert_boxes, draw, take

from samrs_mm.core import masks, segmentations
from samrs_mm.core.errors import RefusedError
from samrs_mm.registry import BOX_DATASETS

PIXEL = 60 * 0.5e-5 * 2
"""Labels have five decimals."""


def build(root, **options):
    return BOX_DATASETS.build(dict(type='YOLOBoxDataset', data_root=str(root), **options))


@pytest.fixture
def yolo(tmp_path):
    return take('yolo', tmp_path / 'yolo')


def roboflow(root, names='names: [ship, harbour]', value='../{}/images'):
    """Arrange a folder as Roboflow exports it."""
    for part in ('train', 'valid', 'test'):
        draw(root / part / f'images/{part}_jpg.rf.0a.jpg', (20, 10))
        label = root / part / f'labels/{part}_jpg.rf.0a.txt'
        label.parent.mkdir()
        label.write_text('1 0.5 0.5 0.5 0.4\n')
    keys = dict(train='train', val='valid', test='test')
    lines = [f'{key}: {value.format(part)}' for key, part in keys.items()]
    (root / 'data.yaml').write_text(
        '\n'.join([*lines, 'nc: 2', names, 'roboflow:', '  version: 1'])
    )
    return root


def splits(dataset):
    return {scene.stem: scene.split for scene in dataset.scenes}


def test_boxes_and_class_order_of_a_folder_by_supervision(yolo):
    before = {path: path.read_bytes() for path in yolo.rglob('*') if path.is_file()}
    dataset = build(yolo)
    assert_boxes(dataset, atol=PIXEL)
    assert dataset.classes == ('ship', 'harbour')  # not sorted
    counts = dataset.collect_classes()
    assert counts.classes == {'ship': 1, 'harbour': 2}
    assert counts.notes == []
    assert counts.label_notes[0] == 'read as detect: class cx cy w h (5 columns)'
    assert dataset.labels(0).boxes[1].box_id == 'labels/harbour one.txt:2'
    assert before == {path: path.read_bytes() for path in yolo.rglob('*') if path.is_file()}


def test_polygons_are_true_masks_and_their_bounds_the_boxes(tmp_path):
    dataset = build(take('yolo-seg', tmp_path / 'seg'))
    for index, scene in enumerate(dataset.scenes):
        width, height = SIZES[scene.stem]
        lines = (dataset.root / scene.label).read_text().splitlines()
        truth = dataset.ground_truth_of(index)
        assert list(truth) == [f'{scene.label}:{n}' for n in range(1, len(lines) + 1)]
        for line, box in zip(lines, dataset.labels(index).boxes, strict=True):
            points = np.array(line.split()[1:], float).reshape(-1, 2) * [width, height]
            bounds = [*points.min(axis=0), *points.max(axis=0)]
            np.testing.assert_allclose(box.hbox, bounds, atol=1e-9)
            assert truth[box.box_id] == [points.ravel().tolist()]
            assert masks.area(segmentations.from_coco(truth[box.box_id], height, width)) > 100


def test_r_boxes_and_a_bad_line_is_a_problem_with_its_place(tmp_path):
    draw(tmp_path / 'images/a.png', (40, 20))
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels/a.txt').write_text('0 .5 .1 .9 .5 .5 .9 .1 .5\n0 .5 .1\n')
    (tmp_path / 'classes.txt').write_text('ship\n')
    dataset = build(tmp_path)
    labels = dataset.labels(0)
    np.testing.assert_allclose(labels.boxes[0].polygon, [[20, 2], [36, 10], [20, 18], [4, 10]])
    assert [each.box_id for each in labels.problems] == ['labels/a.txt:2']
    assert '3 columns' in labels.problems[0].message
    assert dataset.ground_truth_of(0) == {}


@pytest.mark.parametrize('value', ['../{}/images', '{}/images', '/content/drive/set-3/{}/images'])
@pytest.mark.parametrize('names', ['names: [ship, harbour]', 'names:\n  0: ship\n  1: harbour'])
def test_parts_of_roboflow(tmp_path, names, value):
    dataset = build(roboflow(tmp_path, names, value))
    assert splits(dataset) == {
        f'{part}__{part}_jpg.rf.0a': split
        for part, split in dict(train='train', valid='val', test='test').items()
    }
    assert 'parts: test 1, train 1, val 1 (by data.yaml)' in dataset.label_notes
    assert dataset.classes == ('ship', 'harbour')
    assert dataset.labels(0).boxes[0].hbox.tolist() == [5, 3, 15, 7]


def test_parts_by_lists_that_data_yaml_names(yolo):
    (yolo / 'sets').mkdir()
    (yolo / 'sets/t.txt').write_text('./images/harbour one.png\n./images/none.png\n')
    (yolo / 'sets/v.txt').write_text('/old/place/images/pier.png\n')
    text = (yolo / 'data.yaml').read_text()
    (yolo / 'data.yaml').write_text(f'path: .\ntrain: [sets/t.txt]\nval: sets/v.txt\n{text}')
    dataset = build(yolo)
    assert splits(dataset) == {'harbour one': 'train', 'pier': 'val'}
    assert any('sets/t.txt: 1 name is no image' in note for note in dataset.label_notes)


def test_a_part_that_is_not_there_is_told(tmp_path):
    root = roboflow(tmp_path)
    for path in (root / 'valid').rglob('*.*'):
        path.unlink()
    (root / 'valid/images').rmdir()
    notes = build(root).label_notes
    assert f'data.yaml: val: ../valid/images is not in {root}; its images, not taken' in notes


def test_a_label_file_without_an_image_and_an_unreadable_image(yolo):
    (yolo / 'labels/stray.txt').write_text('1 .5 .5 .1 .1\n')
    (yolo / 'images/pier.png').write_bytes(b'no picture')
    dataset = build(yolo)
    index = next(i for i, scene in enumerate(dataset.scenes) if scene.stem == 'stray')
    assert dataset.scenes[index].image is None
    assert dataset.no_image(index) == 'there is no image of this label file'
    assert dataset.labels(index).boxes[0].box_id == 'labels/stray.txt:1'
    counts = dataset.collect_classes()
    assert (counts.boxes, counts.problems) == (3, 1)


def test_names_and_task_may_be_given(yolo):
    (yolo / 'data.yaml').rename(yolo / 'mine.yaml')
    shutil.copy(yolo / 'mine.yaml', yolo / 'yours.yaml')
    with pytest.raises(RefusedError, match=r'dataset\.names=FILE .*is it mine\.yaml'):
        build(yolo)
    assert build(yolo, names='mine.yaml').classes == ('ship', 'harbour')
    with pytest.raises(RefusedError, match=r"dataset\.task='boxes'; allowed: detect"):
        build(yolo, task='boxes')


def test_lines_of_several_kinds_name_the_option_that_says_what_they_are(yolo):
    with (yolo / 'labels/pier.txt').open('a') as file:
        file.write('1 .1 .1 .4 .1 .4 .4\n')
    with pytest.raises(RefusedError, match=r'--cfg-options dataset\.task=detect \(class cx'):
        build(yolo)
    labels = build(yolo, task='segment').labels(1)
    assert len(labels.boxes) == 2
    np.testing.assert_allclose(labels.boxes[1].hbox, [3.2, 4.8, 12.8, 19.2])
