import json

import numpy as np
import pytest

from samrs_mm.core import masks
from samrs_mm.core.resumable import dump
from samrs_mm.formats.annotated import records


def new_box(**changes):
    polygon = np.array([[1, 2], [3, 2], [3, 4.00004], [np.nan, 1 / 3]])
    given = dict(
        number=3, box_id='labelTxt/P.txt:7', label=4, category='ship', prompt='hbox',
        polygon=polygon, scene_polygon=polygon + 100, prompt_box=np.array([1, 2, 3, 4.5]),
        status='ok', reason='',
    )  # fmt: skip
    return records.new_box(**{**given, **changes})


def test_new_box():
    box = new_box()
    assert box['id'] == 3
    assert box['category_id'] == 5
    assert box['polygon'] == [[1, 2], [3, 2], [3, 4], [None, 0.3333]]
    assert box['scene_polygon'][1] == [103, 102]
    assert box['prompt_box'] == [1, 2, 3, 4.5]
    assert new_box(prompt_box=None)['prompt_box'] is None
    assert (box['score'], box['segmentation'], box['area']) == (None, None, 0)
    assert json.loads(dump(box)) == box


def test_load(tmp_path):
    record = dict(image=dict(path='a.png'), signature='s', boxes=[new_box()])
    (tmp_path / 'a.json').write_bytes(dump(record))
    assert records.load(tmp_path / 'a.json') == record


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (None, 'cannot read the record: No such file'),
        (b'', 'not a JSON record'),
        (b'{"image": {}, "signat', 'not a JSON record'),
        (b'\xff\xfe{}', 'not a JSON record'),
        (b'[1]', r'not a record of this tool \(image, signature, boxes\)'),
        (b'{"image": 1, "boxes": 2}', 'not a record of this tool'),
    ],
)
def test_what_is_no_record_is_told_in_one_line(tmp_path, data, message):
    path = tmp_path / 'a.json'
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(records.RecordError, match=f'a.json: {message}') as caught:
        records.load(path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('boxes', 'message'),
    [
        ([{'segmentation': {'size': [4, 5], 'counts': '0'}}], 'a mask whose runs do not add up'),
        ([{'segmentation': {'size': [4, 4], 'counts': '`0'}}], 'a mask of'),
        ([{'segmentation': {'size': [4, 5]}}], "no 'counts'"),
        ([{}], "no 'segmentation'"),
        (['box'], 'string indices'),
        (None, 'NoneType'),
    ],
)
def test_damaged_masks(tmp_path, boxes, message):
    path = tmp_path / 'a.json'
    image = dict(height=4, width=5)
    path.write_bytes(dump(dict(image=image, signature='', boxes=boxes)))
    with pytest.raises(records.RecordError, match=f'a.json: damaged record: .*{message}'):
        records.load_masks(path)


def test_sound_masks(tmp_path):
    path = tmp_path / 'a.json'
    mask = masks.encode(np.eye(4, 5, dtype=bool))
    record = dict(image=dict(height=4, width=5), signature='',
                  boxes=[dict(segmentation=mask), dict(segmentation=None)])  # fmt: skip
    path.write_bytes(dump(record))
    assert records.load_masks(path) == record
