import json

import numpy as np
import pytest

from samrs_mm.core import masks
from samrs_mm.formats.annotated.entries import BoxEntry, ImageEntry
from samrs_mm.formats.annotated.record import Record, RecordError

KEYS = (
    'id', 'box_id', 'category_id', 'category', 'polygon', 'scene_polygon', 'prompt', 'prompt_box',
    'status', 'reason', 'score', 'stability', 'fill', 'coverage', 'leakage', 'components',
    'at_border', 'bbox', 'area', 'visible_area', 'segmentation',
)  # fmt: skip
"""The format's keys in the format's order."""


def new_box(**changes) -> BoxEntry:
    polygon = np.array([[1, 2], [5, 2], [5, 4.00004], [1, 4]])
    given = dict(
        number=3, box_id='labelTxt/P.txt:7', label=4, category='ship', prompt='hbox',
        polygon=polygon, scene_polygon=polygon + 100, prompt_box=np.array([1, 2, 5, 4.5]),
        status='outside',
    )  # fmt: skip
    return BoxEntry.new(**{**given, **changes})


def image(**changes) -> ImageEntry:
    about = dict(path='images/P.png', scene='P', split=None, offset=[0, 0])
    size = dict(width=8, height=6, sha256='ab', notes=[])
    return ImageEntry(**about | size | changes)


def mask(rows=slice(2, 4), columns=slice(1, 5)) -> dict:
    pixels = np.zeros((6, 8), bool)
    pixels[rows, columns] = True
    return masks.encode(pixels)


def with_masks(*segmentations, scores=(0.5, 0.5, 0.5)) -> Record:
    boxes = [new_box(label=label) for label in range(len(segmentations))]
    for box, segmentation, score in zip(boxes, segmentations, scores, strict=False):
        box.enter_mask(masks.Mask(segmentation, score), 'no pixel')
    return Record(image(), 'sig', boxes)


def test_a_new_box():
    broken = np.array([[1, 2], [3, 2], [3, 4], [np.nan, 1 / 3]])
    box = new_box(polygon=broken)
    assert (box.id, box.category_id, box.label) == (3, 5, 4)
    assert box.polygon == [[1, 2], [3, 2], [3, 4], [None, 0.3333]]
    np.testing.assert_array_equal(box.corners, [[1, 2], [3, 2], [3, 4], [np.nan, 0.3333]])
    assert box.scene_polygon[2] == [105, 104]
    assert box.prompt_box == [1, 2, 5, 4.5]
    assert new_box(prompt_box=None).prompt_box is new_box(scene_polygon=None).scene_polygon is None
    assert (box.score, box.segmentation, box.area) == (None, None, 0)
    assert tuple(box.as_dict()) == KEYS


def test_bytes_of_a_record():
    record = Record(image(notes=['飞机']), 's', [new_box()])
    text = record.dump().decode()
    assert text.startswith(
        '{"image":{"path":"images/P.png","scene":"P","split":null,"offset":[0,0],"width":8,'
        '"height":6,"sha256":"ab","notes":["飞机"]},"signature":"s","boxes":[{"id":3,'
        '"box_id":"labelTxt/P.txt:7","category_id":5,"category":"ship","polygon":[[1.0,2.0],'
    )
    assert text.endswith(
        '"status":"outside","reason":"","score":null,"stability":null,"fill":null,"coverage":null,'
        '"leakage":null,"components":null,"at_border":null,"bbox":null,"area":0,"visible_area":0,'
        '"segmentation":null}]}\n'
    )


def test_what_is_written_is_read(tmp_path):
    record = with_masks(mask(), mask(slice(0, 3), slice(0, 2)))
    record.paint('file_order')
    record.write(tmp_path / 'a.json')
    assert Record.load(tmp_path / 'a.json') == record
    assert Record.load_checked(tmp_path / 'a.json').dump() == record.dump()


def test_a_mask_with_its_measures():
    box = new_box()
    box.enter_mask(masks.Mask(mask(), 0.9, 0.8), 'no pixel')
    assert (box.status, box.reason, box.score, box.stability) == ('kept', '', 0.9, 0.8)
    assert (box.area, box.bbox, box.segmentation) == (8, [1, 2, 4, 2], mask())
    assert (box.coverage, box.leakage, box.components, box.at_border) == (1, 0, 1, False)
    empty = new_box()
    empty.enter_mask(masks.Mask(mask(slice(0, 0)), 0.1), 'no pixel')
    assert (empty.status, empty.reason, empty.score) == ('empty', 'no pixel', 0.1)
    assert (empty.area, empty.bbox, empty.segmentation, empty.fill) == (0, None, None, None)


def test_paint():
    record = with_masks(mask(), mask(columns=slice(3, 6)), mask(slice(0, 0)))
    labels = record.paint('file_order')
    expected = np.full((6, 8), 255)
    expected[2:4, 1:5] = 0
    expected[2:4, 3:6] = 1
    np.testing.assert_array_equal(labels, expected)
    assert [box.visible_area for box in record.boxes] == [4, 6, 0]


def test_a_failure_has_no_masks(tmp_path):
    record = with_masks(mask())
    record.paint('file_order')
    record.fail('images/P.png: no')
    (box,) = record.boxes
    assert box == new_box(label=0, status='failed')
    assert list(json.loads(record.dump())) == ['image', 'signature', 'boxes', 'error']
    record.write(tmp_path / 'a.json')
    assert Record.load_failure(tmp_path / 'a.json').error == 'images/P.png: no'


def test_a_failure_without_its_reason(tmp_path):
    with_masks().write(tmp_path / 'a.json')
    with pytest.raises(RecordError, match=r"a\.json: .*no 'error'; delete it and run again$"):
        Record.load_failure(tmp_path / 'a.json')


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (None, 'cannot read the record: No such file'),
        (b'', 'not a JSON record'),
        (b'{"image": {}, "signat', 'not a JSON record'),
        (b'\xff\xfe{}', 'not a JSON record'),
        (b'{"image": NaN}', 'not a JSON record: it holds NaN'),
        (b'[' * 100000, 'not a JSON record'),
        (b'[1]', r'not a record of this tool \(image, signature, boxes\)'),
        (b'{"image": 1, "boxes": 2}', 'not a record of this tool'),
    ],
)
def test_what_is_no_record(tmp_path, data, message):
    path = tmp_path / 'a.json'
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(RecordError, match=rf'a\.json: {message}') as caught:
        Record.load(path)
    assert '\n' not in str(caught.value)
    assert data is None or str(caught.value).endswith('; delete it and run again')


@pytest.mark.parametrize(
    ('place', 'value', 'message'),
    [
        ('image', None, 'image is None; expected an object'),
        ('image.height', '6', "image.height is '6'; expected int"),
        ('image.height', -6, 'image is of 8 x -6 px'),
        ('image.offset', [1], r'image.offset is \[1\]; expected x, y'),
        ('image.bands', 3, "image: unknown key 'bands'"),
        ('image.notes', ..., "image: no 'notes'"),
        ('signature', None, 'signature is None'),
        ('boxes', {}, 'boxes is {}'),
        ('boxes.0', 'box', r"boxes\[0\] is 'box'; expected an object"),
        ('boxes.0.colour', 'red', r"boxes\[0\]: unknown key 'colour'"),
        ('boxes.0.area', ..., r"boxes\[0\]: no 'area'"),
        ('boxes.0.score', 'high', r"boxes\[0\].score is 'high'; expected float or null or int"),
        ('boxes.0.category_id', 0, r'boxes\[0\].category_id is 0; expected 1 to 255'),
        ('boxes.0.category_id', 300, r'boxes\[0\].category_id is 300; expected 1 to 255'),
        ('boxes.0.status', 'fine', r"boxes\[0\].status is 'fine'; not a status"),
        ('boxes.0.bbox', [1, 2], r'boxes\[0\].bbox is \[1, 2\]; expected 4 numbers'),
        ('boxes.0.bbox', ['1', 2, 3, 4], r'boxes\[0\].bbox is .*; expected 4 numbers'),
        ('boxes.0.polygon', [], r'boxes\[0\].polygon has 0 corners; expected 4'),
        ('boxes.0.polygon', [[1, 'a']] * 4, r'boxes\[0\].polygon holds .*; expected x, y'),
        ('boxes.0.polygon', [[1, 2], 3, 4, 5], r'boxes\[0\].polygon holds 3; expected x, y'),
        ('note', 'mine', "unknown key 'note'"),
        ('error', 3, 'error is 3'),
    ],
)
def test_a_damaged_record_names_the_place(tmp_path, place, value, message):
    data = json.loads(with_masks(mask()).dump())
    *parents, key = (int(part) if part.isdigit() else part for part in place.split('.'))
    part = data
    for name in parents:
        part = part[name]
    if value is ...:
        del part[key]
    else:
        part[key] = value
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(data))
    with pytest.raises(RecordError, match=rf'a\.json: damaged record: {message}') as caught:
        Record.load(path)
    assert str(caught.value).endswith('; delete it and run again')


@pytest.mark.parametrize(
    ('segmentation', 'message'),
    [
        ({'size': [6, 9], 'counts': '0'}, 'a mask whose runs do not add up'),
        ({'size': [4, 4], 'counts': '`0'}, r'a mask of \[4, 4\] in an image of \[6, 8\]'),
        ({'size': [6.0, 8.0], 'counts': '`1'}, r'a mask of \[6.0, 8.0\] in an image of \[6, 8\]'),
        ({'size': [6, 8]}, "no 'counts'"),
        ({'size': [6, 8], 'counts': [6]}, "'list' object"),
    ],
)
def test_damaged_masks(tmp_path, segmentation, message):
    record = with_masks(mask())
    record.boxes[0].segmentation = segmentation
    record.write(tmp_path / 'a.json')
    assert Record.load(tmp_path / 'a.json') == record
    with pytest.raises(RecordError, match=rf'boxes\[0\].segmentation: .*{message}'):
        Record.load_checked(tmp_path / 'a.json')


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('category_id', 3, r'boxes\[0\].category_id is beyond 1..2'),
        ('segmentation', None, r'boxes\[0\] is kept, but has no mask'),
    ],
)
def test_boxes_that_cannot_be_exported(tmp_path, name, value, message):
    record = with_masks(mask())
    setattr(record.boxes[0], name, value)
    record.write(tmp_path / 'a.json')
    assert Record.load_checked(tmp_path / 'a.json') == record
    with pytest.raises(RecordError, match=message):
        Record.load_checked(tmp_path / 'a.json', classes=2)


def test_flags_and_notes_stand_in_the_record_where_there_are_any(tmp_path):
    plain, marked = new_box(), new_box(flags={'difficult': 2}, notes=('corners put in order',))
    assert tuple(plain.as_dict()) == KEYS
    assert tuple(marked.as_dict()) == (*KEYS, 'flags', 'notes')
    assert marked.marks == 'difficult=2'
    Record(image(), 's', [plain, marked]).write(tmp_path / 'a.json')
    assert Record.load(tmp_path / 'a.json').boxes == [plain, marked]
    assert marked.failed().flags == {'difficult': 2}


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('flags', {'difficult': 'yes'}, r"boxes\[0\].flags is .*expected whole numbers"),
        ('flags', ['difficult'], r"boxes\[0\].flags is .*expected dict"),
        ('notes', [1], r"boxes\[0\].notes is .*expected lines of text"),
    ],
)  # fmt: skip
def test_flags_and_notes_that_are_none(tmp_path, key, value, message):
    data = json.loads(Record(image(), 's', [new_box()]).dump())
    data['boxes'][0][key] = value
    (tmp_path / 'a.json').write_text(json.dumps(data))
    with pytest.raises(RecordError, match=message):
        Record.load(tmp_path / 'a.json')
