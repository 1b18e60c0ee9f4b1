import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.coco import CocoIndex
from samrs_mm.formats.boxes.coco import parse_coco as parse_file

IMAGES = [
    dict(id=7, file_name='a.png', width=64, height=64),
    dict(id=3, file_name='sub/b.png', width=64, height=64),
]
CATEGORIES = [dict(id=10, name='small vehicle'), dict(id=2, name='ship')]
RBOX = [1, 2, 9.5, 3, 8, 12, 0, 11]
POLYGON = [[1, 2], [9.5, 3], [8, 12], [0, 11]]


def parse_coco(data: bytes, name: str, **options) -> CocoIndex:
    return parse_file(io.BytesIO(data), name, **options)


def annotation(**changes):
    entry = dict(id=1, image_id=7, category_id=2, bbox=[4, 5, 10, 20]) | changes
    return {key: value for key, value in entry.items() if value is not ...}


def document(*annotations, **changes):
    parts = dict(images=IMAGES, categories=CATEGORIES, annotations=list(annotations)) | changes
    return {key: value for key, value in parts.items() if value is not ...}


def parse(*annotations, **options):
    return parse_coco(json.dumps(document(*annotations)).encode(), 'annotations.json', **options)


def error_of(data):
    with pytest.raises(LabelReadError) as caught:
        parse_coco(data if isinstance(data, bytes) else json.dumps(data).encode(), 'x/a.json')
    message = str(caught.value)
    assert message.startswith('x/a.json')
    assert '\n' not in message
    return message


def test_boxes_come_by_image_in_file_order():
    index = parse(
        annotation(id=5),
        annotation(image_id=3, category_id=10, bbox=[0, 0, 1, 1]),
        annotation(bbox=[0.5, 1, 2, 3], iscrowd=1),
    )
    assert index.file_names == ['a.png', 'sub/b.png']
    first, crowd = index.labels(0).boxes
    assert first.box_id == 'annotations.json:annotations[0]'
    assert first.category == 'ship'
    np.testing.assert_array_equal(first.hbox, [4, 5, 14, 25])
    assert first.polygon is None
    assert crowd.box_id == 'annotations.json:annotations[2]'
    np.testing.assert_array_equal(crowd.hbox, [0.5, 1, 2.5, 4])
    assert [box.category for box in index.labels(1).boxes] == ['small vehicle']


def test_lists_in_any_order_with_other_keys_between():
    parts = document(annotation())
    data = dict(info={'a': [1, {}]}, annotations=parts.pop('annotations'), licenses=None) | parts
    assert len(parse_coco(json.dumps(data, indent=2).encode(), 'f').labels(0).boxes) == 1


@pytest.mark.parametrize(
    'entry',
    [
        dict(rbox=RBOX),
        dict(rbox=RBOX, segmentation=[[0, 0, 5, 0, 5, 5, 0, 5]]),
        dict(segmentation=[RBOX]),
        dict(segmentation=[RBOX + RBOX[:2]]),
        dict(segmentation=[RBOX], bbox=...),
        dict(rbox=RBOX, bbox=None),
    ],
)
def test_oriented_boxes(entry):
    (box,) = parse(annotation(**entry)).labels(0).boxes
    np.testing.assert_array_equal(box.polygon, POLYGON)
    assert (box.hbox is None) == ('bbox' in entry)


@pytest.mark.parametrize(
    'segmentation',
    [[], None, [RBOX, RBOX], [RBOX[:6]], [[*RBOX, 5, 5]], dict(size=[64, 64], counts='abc')],
)
def test_other_segmentations_are_ground_truth_only(segmentation):
    index = parse(annotation(segmentation=segmentation), with_segmentations=True)
    (box,) = index.labels(0).boxes
    assert box.polygon is None
    kept = {'annotations.json:annotations[0]': segmentation} if segmentation else {}
    assert index.segmentations(0) == kept
    assert index.segmentations(1) == {}


def test_the_region_of_a_crowd_is_no_true_mask():
    index = parse(annotation(segmentation=[[0, 0, 5, 0, 5, 5]], iscrowd=1), with_segmentations=True)
    assert len(index.labels(0).boxes) == 1
    assert index.segmentations(0) == {}


def test_segmentations_are_not_kept_unasked():
    assert parse(annotation(segmentation=[RBOX])).segmentations(0) == {}


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        (annotation(bbox=...), 'no bbox, no rbox'),
        (annotation(bbox=[1, 2, 3]), 'bbox is [1, 2, 3]; allowed: 4 numbers'),
        (annotation(bbox=5), 'bbox is 5'),
        (annotation(bbox=[1, 2, '3', 4]), 'bbox holds "3", not a number'),
        (annotation(bbox=[1, 2, True, 4]), 'bbox holds true'),
        (annotation(bbox=[1, 2, 10**400, 4]), 'beyond'),
        (annotation(rbox=[1, 2, 3, 4, 0.5]), 'allowed: 8 numbers'),
        (annotation(category_id=99), 'category_id 99 is not among the categories'),
        (annotation(category_id=...), 'category_id is null'),
        (annotation(category_id=[1]), 'category_id is [1]'),
    ],
)
def test_bad_annotation_is_a_problem_of_its_image(entry, message):
    index = parse(entry, annotation())
    labels = index.labels(0)
    assert [box.box_id for box in labels.boxes] == ['annotations.json:annotations[1]']
    (problem,) = labels.problems
    assert problem.box_id == 'annotations.json:annotations[0]'
    assert message in problem.message
    assert not index.unplaced.problems


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        (annotation(image_id=99), 'image_id 99 is not among the images'),
        (annotation(image_id=...), 'image_id is null'),
        (annotation(image_id={}), 'image_id is {}'),
        ('text', '"text" is not an object'),
        (None, 'null is not an object'),
    ],
)
def test_annotation_without_image_is_kept_apart(entry, message):
    index = parse(annotation(), entry)
    (problem,) = index.unplaced.problems
    assert problem.box_id == 'annotations.json:annotations[1]'
    assert message in problem.message
    assert len(index.labels(0).boxes) == 1
    assert not index.labels(0).problems


def test_nan_is_kept_as_a_box():
    (box,) = parse(annotation(bbox=[float('nan'), 1, float('inf'), 2])).labels(0).boxes
    np.testing.assert_array_equal(box.hbox, [np.nan, 1, np.nan, 3])


def test_text_ids():
    images = [dict(id='x', file_name='a.png')]
    data = document(annotation(image_id='x'), images=images)
    assert len(parse_coco(json.dumps(data).encode(), 'f').labels(0).boxes) == 1


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_encodings(encoding):
    categories = [dict(id=2, name='飞机')]
    text = json.dumps(document(annotation(), categories=categories), ensure_ascii=False)
    assert parse_coco(text.encode(encoding), 'f').labels(0).boxes[0].category == '飞机'


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', '1:1: malformed JSON'),
        (b'{"images": [}', '1:13: malformed JSON'),
        (b'{"images": []', "expected ','"),
        (b'{"images": [1 2]}', "1:15: malformed JSON: expected ','"),
        (b'{images: []}', 'a key in double quotes'),
        (json.dumps(document()).encode() + b' x', 'the end of the file'),
        (b'{"info": ' + b'[' * 200_000, 'malformed JSON'),
        (b'{"info": ' + b'9' * 5000 + b'}', 'malformed JSON'),
        (b'\xff\xff', 'UTF-8'),
        ([annotation()], 'an object with the lists'),
        (document(images=...), "'images' is missing"),
        (document(annotations=...), "'annotations' is missing"),
        (document(categories={}), "'categories' is not a list"),
        (b'{"annotations": [], "annotations": []}', 'there twice'),
        (document(images=[*IMAGES, IMAGES[0]]), 'images[2]: id 7 is there twice'),
        (document(images=[*IMAGES, dict(id=8, file_name='a.png')]), "same file_name 'a.png'"),
        (document(images=[dict(id=8)]), 'images[0] is {"id": 8}; allowed'),
        (document(images=[dict(id=[], file_name='a')]), 'images[0]'),
        (document(categories=[dict(id=1, name=5)]), 'categories[0]'),
        (document(categories=[dict(id=1, name='a'), dict(id=1, name='b')]), 'there twice'),
        (document(categories=['ship']), 'categories[0] is "ship"'),
    ],
)
def test_unusable_file_is_refused_in_one_line(data, message):
    assert message in error_of(data)


@given(st.lists(st.floats(width=64), min_size=8, max_size=8))
def test_any_float_survives(values):
    (box,) = parse(annotation(rbox=values)).labels(0).boxes
    np.testing.assert_array_equal(np.sort(box.polygon, axis=None), np.sort(values))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
keys = st.sampled_from(['image_id', 'category_id', 'bbox', 'rbox', 'segmentation'])


@given(st.lists(json_values | st.dictionaries(keys, json_values | st.sampled_from([7, 2, 3]))))
def test_every_annotation_is_a_box_or_a_problem(entries):
    index = parse(*entries)
    found = [index.unplaced, *(index.labels(image) for image in range(len(index.file_names)))]
    places = [item.box_id for labels in found for item in (*labels.boxes, *labels.problems)]
    assert sorted(places) == sorted(
        f'annotations.json:annotations[{row}]' for row in range(len(entries))
    )


def test_box_ids_of_the_file_are_kept_where_they_tell_boxes_apart():
    entries = [
        dict(id=row, image_id=1, category_id=1, bbox=[0, 0, 5, 5], box_id=box_id)
        for row, box_id in enumerate(['labels/a.txt:1', 'labels/a.txt:1', '', 7, 'a\n', 'b:2'])
    ]
    content = dict(
        images=[dict(id=1, file_name='a.png')],
        categories=[dict(id=1, name='ship')],
        annotations=entries,
    )
    index = parse_coco(json.dumps(content).encode(), 'x.json')
    assert [box.box_id for box in index.labels(0).boxes] == [
        'labels/a.txt:1', 'x.json:annotations[1]', 'x.json:annotations[2]',
        'x.json:annotations[3]', 'x.json:annotations[4]', 'b:2',
    ]  # fmt: skip


def test_crowds_and_what_is_to_be_ignored_are_regions():
    rle = dict(size=[64, 64], counts=[130, 4, 3962])
    index = parse(
        annotation(iscrowd=1, segmentation=rle, bbox=...),
        annotation(ignore=1, iscrowd=1),
        annotation(iscrowd=True, segmentation=[RBOX]),
        annotation(iscrowd=0, ignore=0, difficult=1, truncated=True, occluded=0),
    )
    crowd, ignored, polygon, plain = index.labels(0).boxes
    assert (crowd.meaning, crowd.region, crowd.flags) == ('crowd', rle, {})
    np.testing.assert_array_equal(crowd.hbox, [2, 2, 3, 6])
    assert (ignored.meaning, ignored.region) == ('ignored', None)
    assert (polygon.meaning, polygon.region) == ('crowd', [RBOX])
    assert (plain.meaning, plain.region) == ('', None)
    assert plain.flags == dict(difficult=1, truncated=1)


@pytest.mark.parametrize(
    'region',
    [
        dict(size=[64, 64], counts=[130, 4]),
        dict(size=[64, 64], counts='zz~'),
        dict(size=[64], counts=[4096]),
        dict(counts=[1]),
        [[1, 2, 3]],
        [[1, 2, 3, 4, 5, 1e9]],
        'rle',
    ],
)
def test_a_region_that_is_none_is_named(region):
    (problem,) = parse(annotation(iscrowd=1, segmentation=region)).labels(0).problems
    assert 'allowed: polygons or RLE' in problem.message


def test_images_that_are_not_labelled_exhaustively_have_a_note():
    images = [dict(IMAGES[0], not_exhaustive_category_ids=[2, 99, 'x', None]), IMAGES[1]]
    text = json.dumps(document(annotation(), images=images)).encode()
    index = parse_coco(text, 'a.json')
    assert index.labels(0).notes == [
        'not_exhaustive_category_ids: not every object is labelled of ship, 99, x, None'
    ]
    assert index.labels(1).notes == []


def test_a_mark_written_as_text_is_read_for_what_it_says():
    index = parse(
        annotation(iscrowd='0', ignore=float('nan'), difficult=1.0),
        annotation(iscrowd='1'),
        annotation(iscrowd='maybe'),
        annotation(difficult='hard', attributes=dict(occluded=True)),
        with_segmentations=True,
    )
    labels = index.labels(0)
    plain, crowd, odd = labels.boxes
    assert (plain.meaning, plain.flags) == ('', dict(difficult=1))
    assert crowd.meaning == 'crowd'
    assert odd.flags == dict(occluded=1)
    assert odd.notes == ("difficult is 'hard', no whole number: not kept",)
    (problem,) = labels.problems
    assert problem.message == "iscrowd is 'maybe'; allowed: 0 or 1"


def test_the_rotation_of_cvat_makes_an_oriented_box():
    turn = dict(occluded=False, rotation=90.0)
    index = parse(
        annotation(bbox=[10, 20, 40, 10], segmentation=[], attributes=turn),
        annotation(bbox=[10, 20, 40, 10], attributes=dict(rotation=0.0)),
        annotation(rbox=RBOX, attributes=turn),
        annotation(segmentation=[[1, 1, 9, 1, 9, 9, 5, 9, 1, 5]], attributes=turn),
    )
    slanted, upright, rbox, polygon = index.labels(0).boxes
    assert slanted.hbox is None
    bounds = [*slanted.polygon.min(axis=0), *slanted.polygon.max(axis=0)]
    np.testing.assert_allclose(bounds, [25, 5, 35, 45])
    assert 'turned by 90 degrees' in slanted.notes[0]
    for box in (upright, polygon):
        assert (box.polygon, box.notes) == (None, ())
    np.testing.assert_array_equal(rbox.polygon, POLYGON)
