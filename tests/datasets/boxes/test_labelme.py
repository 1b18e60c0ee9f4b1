"""Folders of LabelMe and X-AnyLabeling read in place.

``tests/data/box_formats/labelme`` was written by labelme 7.9.1 (``write_label_file``),
``x-anylabeling`` by X-AnyLabeling 4.2.1 (``LabelFile.save`` of shapes by ``Shape.to_dict``).
"""

import json
import shutil

import numpy as np
import pytest
from format_cases import FOLDER, SIZES, boxes_of, draw, take

from samrs_mm.core import masks, segmentations
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.registry import BOX_DATASETS

RING = [[30, 10, 50, 22, 40, 34]]


def build(root, **options):
    return BOX_DATASETS.build(dict(type='LabelMeBoxDataset', data_root=str(root), **options))


def edit(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def pixels(truth, stem):
    width, height = SIZES[stem]
    return masks.decode(segmentations.from_coco(truth, height, width)).astype(bool)


@pytest.fixture
def labelme(tmp_path):
    return take('labelme', tmp_path / 'data', images='.')


def test_every_shape_of_labelme(labelme):
    dataset = build(labelme)
    harbour, pier = (dataset.labels(index) for index in range(2))
    assert boxes_of(dataset)['harbour one'] == [
        ('harbour', (4, 6, 20, 16)), ('ship', (30, 10, 50, 34)),
    ]  # fmt: skip
    assert harbour.size == (60, 40)
    by_name = {box.category: box for box in pier.boxes}
    assert list(by_name) == ['harbour', 'crane', 'tree', 'buoy', 'boat']
    assert by_name['crane'].polygon.tolist() == [[16, 30], [21, 35], [16, 40], [11, 35]]
    assert by_name['crane'].hbox is None
    assert by_name['tree'].hbox.tolist() == [12, 24, 28, 40]
    assert by_name['buoy'].hbox.tolist() == [4, 36, 12, 44]
    assert by_name['boat'].hbox.tolist() == [1, 1, 9, 4]
    assert by_name['boat'].notes == ('2 shapes of group_id 7: parts of one object',)
    assert by_name['boat'].box_id == 'pier.json:shapes[4]'
    assert [each.box_id for each in pier.problems] == ['pier.json:shapes[6]']
    assert pier.problems[0].message.startswith('shape_type "point" is no box; read are rectangle')
    assert dataset.classes == ('boat', 'buoy', 'crane', 'harbour', 'ship', 'tree')


def test_true_masks_of_labelme(labelme):
    dataset = build(labelme)
    assert dataset.ground_truth_of(0) == {'harbour one.json:shapes[1]': RING}
    truth = dataset.ground_truth_of(1)
    assert [int(key[17:-1]) for key in truth] == [0, 2, 4]
    tree = np.zeros((48, 32), bool)
    tree[24:40, 12:28] = True
    tree[30:34, 16:20] = False
    np.testing.assert_array_equal(pixels(truth['pier.json:shapes[2]'], 'pier'), tree)
    assert truth['pier.json:shapes[4]'] == [[1, 1, 4, 1, 4, 4], [5, 1, 9, 1, 9, 4]]


def test_a_mask_and_a_polygon_of_one_group(labelme):
    def change(document):
        for row, label in ((0, 'tree'), (2, 'tree')):
            document['shapes'][row] |= dict(label=label, group_id=3)

    edit(labelme / 'pier.json', change)
    dataset = build(labelme)
    box_id = 'pier.json:shapes[0]'
    truth = pixels(dataset.ground_truth_of(1)[box_id], 'pier')
    assert truth[5:25, 2:30].all()
    assert truth.sum() == 28 * 20 + 16 * 16 - 16 - 16  # the two share a row
    assert dataset.labels(1).boxes[0].hbox.tolist() == [2, 5, 30, 40]


def test_every_shape_of_x_anylabeling(tmp_path):
    dataset = build(take('x-anylabeling', tmp_path / 'data', images='.'))
    pier = dataset.labels(1)
    assert dataset.classes == ('crane', 'harbour', 'ship')
    assert pier.boxes[0].hbox.tolist() == [2, 5, 30, 25]
    assert pier.boxes[0].flags == {'difficult': 1}
    assert pier.boxes[1].polygon.tolist() == [[16, 30], [21, 35], [16, 40], [11, 35]]
    assert [each.box_id for each in pier.problems] == ['pier.json:shapes[2]']
    assert dataset.ground_truth_of(0) == {'harbour one.json:shapes[1]': RING}


def test_labels_in_a_folder_of_their_own_and_parts(tmp_path):
    shutil.copytree(FOLDER / 'labelme', tmp_path / 'train/json')
    (tmp_path / 'train/json/other.json').write_text('{"classes": []}')
    for stem, size in SIZES.items():
        draw(tmp_path / f'train/images/{stem}.png', size)
    edit(
        tmp_path / 'train/json/pier.json',
        lambda document: document.update(imagePath='..\\images\\pier.png'),
    )
    dataset = build(tmp_path)
    assert [(scene.stem, scene.split) for scene in dataset.scenes] == [
        ('train__harbour one', 'train'), ('train__pier', 'train'),
    ]  # fmt: skip
    assert dataset.label_notes == [
        'parts: train 2 (by the names of folders)',
        '1 json file is of no image and not of LabelMe, such as train/json/other.json: passed over',
    ]


def test_an_image_that_is_not_there_and_two_label_files(labelme):
    (labelme / 'pier.png').unlink()
    dataset = build(labelme)
    assert dataset.scenes[1].image is None
    assert dataset.no_image(1) == "its imagePath 'pier.png' is not there"
    shutil.copytree(FOLDER / 'labelme', labelme / 'copies')
    with pytest.raises(RefusedError, match='are label files of one image'):
        build(labelme)


def change_points(value):
    return lambda document: document['shapes'][0].update(points=value)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (change_points([[1, 2]]), 'rectangle of 1 points; allowed: 2 or 4 corners'),
        (change_points([[1, 2], [3, 'x']]), 'points is "x", not a number'),
        (change_points([[1, 2], [3, 1e300]]), 'points is 1e+300, beyond any image'),
        (change_points(7), 'points is 7; allowed: a list of [x, y]'),
        (lambda document: document['shapes'][0].update(label=3), 'label is 3; allowed: a class'),
        (lambda document: document['shapes'].insert(0, 5), '5 is no shape'),
        (
            lambda document: document['shapes'].insert(
                0, dict(label='a', points=[[0, 0], [3, 3]], shape_type='mask', mask='x')
            ),
            'mask is "x"; allowed: a PNG in base64',
        ),
    ],
)
def test_a_bad_shape_is_a_problem_and_the_others_stay(labelme, change, message):
    before = len(build(labelme).labels(0).boxes)
    edit(labelme / 'harbour one.json', change)
    labels = build(labelme).labels(0)
    assert [each.box_id for each in labels.problems] == ['harbour one.json:shapes[0]']
    assert labels.problems[0].message.startswith(message)
    assert len(labels.boxes) in (before, before - 1)


@pytest.mark.parametrize(
    ('text', 'message'),
    [('{', 'no JSON'), ('[' * 100_000, 'nested too deeply'), ('[]', 'has no list of shapes')],
)
def test_a_file_that_is_none(labelme, text, message):
    (labelme / 'pier.json').write_text(text)
    dataset = build(labelme)
    counts = dataset.collect_classes()
    assert (counts.boxes, counts.problems) == (2, 1)
    with pytest.raises(LabelReadError, match=message):
        dataset.labels(1)


def test_a_broken_file_in_a_folder_of_its_own_is_that_of_the_image_of_its_name(tmp_path):
    for stem, size in SIZES.items():
        draw(tmp_path / f'images/{stem}.png', size)
    shutil.copytree(FOLDER / 'labelme', tmp_path / 'json')
    (tmp_path / 'json/pier.json').write_text('{"shapes": [')
    dataset = build(tmp_path)
    assert [scene.label for scene in dataset.scenes] == [
        'json/harbour one.json', 'json/pier.json',
    ]  # fmt: skip
    assert dataset.collect_classes().problems == 1


def test_an_image_path_that_is_none(labelme):
    (labelme / 'pier.png').rename(labelme / 'other.png')
    edit(labelme / 'pier.json', lambda document: document.update(imagePath='a\0\n.png'))
    dataset = build(labelme)
    index = [scene.stem for scene in dataset.scenes].index('pier')
    assert dataset.scenes[index].image is None
    assert dataset.no_image(index) == r"its imagePath 'a\x00\n.png' is not there"


def test_exchanged_label_files(labelme):
    shutil.move(labelme / 'pier.json', labelme / 'x')
    shutil.move(labelme / 'harbour one.json', labelme / 'pier.json')
    shutil.move(labelme / 'x', labelme / 'harbour one.json')
    counts = build(labelme).collect_classes()
    assert (counts.boxes, counts.problems) == (0, 2)


def test_an_image_in_another_case_is_found(tmp_path):
    root = tmp_path / 'data'
    draw(root / 'img/Ko\u0308ln.JPG', (60, 40))
    shape = dict(label='ship', shape_type='rectangle', points=[[1, 2], [9, 12]])
    head = dict(shapes=[shape], imageWidth=60, imageHeight=40)
    (root / 'json').mkdir()
    (root / 'json/1.json').write_text(json.dumps(head | dict(imagePath='C:\\img\\K\u00f6ln.jpg')))
    dataset = build(root)
    assert [(scene.image, scene.label) for scene in dataset.scenes] == [
        ('img/Ko\u0308ln.JPG', 'json/1.json')
    ]
    draw(root / 'other/KO\u0308LN.JPG', (60, 40))
    assert None in [scene.image for scene in build(root).scenes]


def test_a_picture_in_the_json_is_no_image(tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps(dict(shapes=[], imagePath='a.png', imageData='x')))
    with pytest.raises(RefusedError, match=r'pictures within the json \(imageData\) are not taken'):
        build(tmp_path)
