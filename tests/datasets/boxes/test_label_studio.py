"""Label Studio's JSON read in place.

``tests/data/box_formats/label-studio`` follows labelstud.io/guide/export; its brush strokes were
written by label-studio-sdk 2.1.2 (``converter.brush.mask2rle``). The expected turned box is that of
the SDK's ``convert_annotation_to_yolo_obb``.
"""

import json
import math
import shutil

import numpy as np
import pytest
from format_cases import FOLDER, SIZES, boxes_of, draw

from samrs_mm.core import masks, segmentations
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.boxes.label_studio import image_name
from samrs_mm.registry import BOX_DATASETS

NAME = 'export.json'


def build(root, **options):
    return BOX_DATASETS.build(dict(type='LabelStudioBoxDataset', data_root=str(root), **options))


@pytest.fixture
def studio(tmp_path):
    root = tmp_path / 'data'
    shutil.copytree(FOLDER / 'label-studio', root)
    for stem, size in SIZES.items():
        draw(root / f'images/{stem}.png', size)
    return root


def edit(root, change):
    tasks = json.loads((root / NAME).read_text())
    change(tasks)
    (root / NAME).write_text(json.dumps(tasks))


def test_every_region(studio):
    dataset = build(studio)
    harbour, pier = (dataset.labels(index) for index in range(2))
    found = boxes_of(dataset)['harbour one']
    assert [name for name, _ in found] == ['harbour', 'ship']
    np.testing.assert_allclose([box for _, box in found], [[4, 6, 20, 16], [30, 10, 50, 34]])
    assert harbour.boxes[0].box_id == 'export.json:1/r1'
    assert harbour.notes == ['export.json:1: 2 annotations; 10, the latest, is taken']
    by_name = {box.category: box for box in pier.boxes}
    assert list(by_name) == ['harbour', 'crane', 'tree', 'buoy']
    cos, sin = math.cos(math.radians(30)), 0.5
    expected = [
        (16, 28), (16 + 8 * cos, 28 + 8 * sin),
        (16 + 8 * cos - 10 * sin, 28 + 8 * sin + 10 * cos), (16 - 10 * sin, 28 + 10 * cos),
    ]  # fmt: skip
    np.testing.assert_allclose(by_name['crane'].polygon, expected)
    np.testing.assert_allclose(by_name['buoy'].hbox, [4, 37, 12, 43])
    assert by_name['tree'].hbox.tolist() == [12, 24, 28, 40]
    assert [each.box_id for each in pier.problems] == ['export.json:2/k1']
    assert pier.problems[0].message.startswith('keypointlabels are no boxes; read are rectangle')
    assert harbour.size == SIZES['harbour one']
    assert dataset.classes == ('buoy', 'crane', 'harbour', 'ship', 'tree')


def test_true_masks(studio):
    dataset = build(studio)
    np.testing.assert_allclose(
        dataset.ground_truth_of(0)['export.json:1/p1'], [[30, 10, 50, 22, 40, 34]]
    )
    tree = np.zeros((48, 32), bool)
    tree[24:40, 12:28] = True
    tree[30:34, 16:20] = False
    (truth,) = dataset.ground_truth_of(1).values()
    np.testing.assert_array_equal(masks.decode(segmentations.from_coco(truth, 48, 32)), tree)


def test_ground_truth_comes_before_what_is_later(studio):
    edit(studio, lambda tasks: tasks[0]['annotations'][0].update(ground_truth=True))
    labels = build(studio).labels(0)
    assert [box.category for box in labels.boxes] == ['ship']
    assert labels.notes == ['export.json:1: 2 annotations; 5, the ground truth, is taken']


def test_json_min(studio):
    def change(tasks):
        tasks[:] = [
            dict(
                image='s3://bucket/pier.png',
                id=4,
                label=[
                    dict(x=25, y=50, width=50, height=25, rotation=0, rectanglelabels=['pier'],
                         original_width=32, original_height=48)
                ],
                annotator=1,
            )
        ]  # fmt: skip

    edit(studio, change)
    dataset = build(studio)
    index = [scene.label for scene in dataset.scenes].index(NAME)
    (box,) = dataset.labels(index).boxes
    assert (box.box_id, box.hbox.tolist()) == ('export.json:4/0', [8, 24, 24, 36])


def test_regions_and_labels_by_two_tags(studio):
    def change(tasks):
        result = tasks[0]['annotations'][-1]['result']
        region = result[0]
        value = {k: v for k, v in region['value'].items() if k != 'rectanglelabels'}
        result[:] = [
            dict(region, type='rectangle', value=value),
            dict(region, type='labels', value=dict(value, labels=['harbour'])),
            dict(region, type='choices', id='c', value=dict(choices=['day'])),
            dict(region, type='rectangle', id='bare', value=value),
        ]

    edit(studio, change)
    labels = build(studio).labels(0)
    assert [box.category for box in labels.boxes] == ['harbour']
    assert [(p.box_id, p.message) for p in labels.problems] == [
        ('export.json:1/bare', 'a region without a label')
    ]


def of_value(**changes):
    return lambda region: region['value'].update(changes)


@pytest.mark.parametrize(
    ('row', 'change', 'message'),
    [
        (0, of_value(x='a'), 'x is "a", not a number'),
        (0, of_value(rectanglelabels=[]), 'rectanglelabels is null; allowed: a class name'),
        (0, of_value(rectanglelabels=7), 'rectanglelabels is null; allowed: a class name'),
        (0, lambda region: region.pop('original_width'), 'original_width or original_height'),
        (0, lambda region: region.update(image_rotation=90), 'image_rotation is 90; boxes of'),
        (2, of_value(rle=[1, 2]), 'rle ends before the picture does'),
        (2, of_value(rle=[0] * 50), 'rle holds 0 values; a picture of 32 x 48 px has 6144'),
        (2, of_value(rle=['a']), 'rle is no list of bytes'),
        (2, of_value(rle=None), 'rle is no list of bytes'),
        (2, of_value(format='png'), 'format is "png"; allowed: "rle"'),
    ],
)
def test_a_bad_region_is_a_problem_and_the_others_stay(studio, row, change, message):
    edit(studio, lambda tasks: change(tasks[1]['annotations'][0]['result'][row]))
    labels = build(studio).labels(1)
    assert len(labels.boxes) == 3
    assert [each.message[: len(message)] for each in labels.problems][:-1] == [message]


def test_box_ids_stay_apart_where_ids_are_given_twice_or_are_none(studio):
    def change(tasks):
        tasks[1]['id'] = 'a\nb'
        for region, name in zip(
            tasks[1]['annotations'][0]['result'], ['x', 'x', [1]], strict=False
        ):
            region['id'] = name

    edit(studio, change)
    ids = [box.box_id for box in build(studio).labels(1).boxes]
    assert ids == ['export.json:1/x', 'export.json:1/x.2', 'export.json:1/2', 'export.json:1/e1']


def test_a_task_that_was_skipped_is_told(studio):
    edit(
        studio, lambda tasks: [each.update(was_cancelled=True) for each in tasks[0]['annotations']]
    )
    assert build(studio).labels(0).notes == [
        'export.json:1: all annotations cancelled, taken as an image without boxes'
    ]


def test_predictions_and_several_labels_are_told(studio):
    def change(tasks):
        tasks[0].update(annotations=[], predictions=[dict(result=[])])
        tasks[1]['annotations'][0]['result'][0]['value']['rectanglelabels'].append('ship')

    edit(studio, change)
    dataset = build(studio)
    assert dataset.labels(0).notes == [
        'export.json:1: not annotated, taken as an image without boxes; predictions are not taken'
    ]
    assert dataset.labels(1).boxes[0].notes == (
        'has the labels ["harbour", "ship"]; the first is taken',
    )


@pytest.mark.parametrize(
    ('text', 'message'),
    [('[{"annotations": [], "data": {}}]', 'no image in its data'),
     ('[{"annotations": [], "data": ', 'no JSON')],
)  # fmt: skip
def test_files_that_are_refused(studio, text, message):
    (studio / NAME).write_text(text)
    with pytest.raises(RefusedError, match=message):
        build(studio)


@pytest.mark.parametrize(
    ('address', 'name'),
    [
        ('pier #2.png', 'pier #2.png'),
        ('https://host/a/pier%202.png?x=1', 'a/pier 2.png'),
        ('/data/local-files/?d=set%5Cpier.png', 'set\\pier.png'),
        ('/data/upload/3/0a1b2c3d-pier.png', '3/0a1b2c3d-pier.png'),
        ('gs://bucket/pier.png', 'pier.png'),
        ('http://[a', 'http://[a'),
    ],
)
def test_the_image_in_an_address(address, name):
    assert image_name(address) == name
