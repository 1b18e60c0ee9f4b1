import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.coco import CocoWriter, coco_annotation, coco_categories, places_of, read_coco

BOX = BoxEntry(
    id=4, box_id='a.txt:9', category_id=2, category='ship', bbox=[1, 2, 3, 4], area=5,
    segmentation=dict(size=[9, 9], counts='x'), polygon=[[1, 2], [3, 2], [3, 4], [1, 4]],
    scene_polygon=None, prompt='hbox', prompt_box=None, status='kept', reason='',
)  # fmt: skip
IMAGES = [dict(id=7, file_name='ä.png', width=9, height=9), dict(id=9, file_name='b.png')]


def entries_of(data, *lists):
    file = io.BytesIO(data if isinstance(data, bytes) else json.dumps(data).encode())
    return list(read_coco(file, 'x/a.json', *lists))


def test_entries_come_in_the_order_of_the_file():
    data = dict(info={}, annotations=[1, None], other=[3], images=['a'], categories=[])
    assert entries_of(data) == [
        ('annotations', 0, 1),
        ('annotations', 1, None),
        ('images', 0, 'a'),
    ]
    assert entries_of(dict(images=[5], categories={}), ['images']) == [('images', 0, 5)]


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'x/a.json:1:1: malformed JSON: the file is empty'),
        ([], "the file starts with '['; a COCO file is an object with the lists images, annot"),
        (dict(images=[], annotations=[]), "x/a.json: the list 'categories' is missing"),
        (dict(images={}), "x/a.json: 'images' is not a list"),
        (b'{"images": [], "images": []}', "'images' is there twice"),
        (b'{"images":\n[1, 2', 'x/a.json:2:6: malformed JSON'),
        (b'{"images": [' + b'9' * 5000 + b']}', 'x/a.json: malformed JSON'),
        (b'\xff\xff', 'byte 0 is not utf-8'),
    ],
)
def test_what_is_no_coco_file_is_refused_with_its_place(data, message):
    with pytest.raises(LabelReadError) as caught:
        entries_of(data)
    assert message in str(caught.value)
    assert '\n' not in str(caught.value)


def test_ids_are_looked_up_by_value():
    np.testing.assert_array_equal(
        places_of(['a', 3, 'a', None, 3], {3: 'x', 'a': 'y'}), [1, 0, 1, -1, 0]
    )
    assert places_of([], []).dtype == np.int64


def test_an_annotation_is_a_kept_box():
    assert coco_annotation(BOX) == dict(
        category_id=2, bbox=[1, 2, 3, 4], area=5, segmentation=BOX.segmentation, iscrowd=0,
        score=None, box_id='a.txt:9', rbox=[1, 2, 3, 2, 3, 4, 1, 4],
    )  # fmt: skip


def test_category_ids_are_pixel_values_plus_1():
    assert coco_categories(['ship', 'tank']) == [dict(id=1, name='ship'), dict(id=2, name='tank')]


def test_what_is_written_reads_back(tmp_path):
    path = tmp_path / 'annotations.json'
    with path.open('wb') as file:
        writer = CocoWriter(file, ['ship', 'tank'])
        writer.add(IMAGES[0], [coco_annotation(BOX), coco_annotation(BOX)])
        writer.add(IMAGES[1], [])
        writer.add(IMAGES[1], [coco_annotation(BOX)])
        writer.finish()
    assert path.read_bytes().startswith(b'{"annotations":[\n{"id":1,"image_id":7,"category_id":2,')
    assert 'ä' in path.read_text(encoding='utf-8')
    coco = COCO(path)
    assert coco.getAnnIds(imgIds=7) == [1, 2]
    assert coco.getAnnIds(imgIds=9) == [3]
    assert coco.getCatIds() == [1, 2]


def test_a_file_without_annotations_is_json():
    file = io.BytesIO()
    CocoWriter(file, ['ship']).finish()
    assert json.loads(file.getvalue()) == dict(
        annotations=[],
        categories=[dict(id=1, name='ship')],
        images=[],
        info=dict(description='masks of boxes, written by samrs_mm'),
        licenses=[],
    )


def test_categories_keep_the_users_own_ids():
    file = io.BytesIO()
    writer = CocoWriter(file, ['ship', 'plane'], [7, 90])
    writer.add(dict(id=1), [dict(category_id=2), dict(category_id=1)])
    writer.finish()
    content = json.loads(file.getvalue())
    assert content['categories'] == [dict(id=7, name='ship'), dict(id=90, name='plane')]
    assert [entry['category_id'] for entry in content['annotations']] == [90, 7]
