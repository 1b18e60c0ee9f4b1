import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samrs_mm.core import rle
from samrs_mm.formats.annotated import records

values = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
settings_dicts = st.recursive(
    values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=3), settings_dicts, min_size=1, max_size=4))
def test_order_of_keys_does_not_change_the_signature(old):
    turned = dict(reversed(old.items()))
    assert records.signature(turned) == records.signature(old)
    assert records.differences(old, turned) == []
    changed = old | {next(iter(old)): ['another']}
    assert records.signature(changed) != records.signature(old)
    assert records.differences(old, changed)


def test_signature_is_the_hash_of_sorted_compact_json():
    expected = hashlib.sha256(b'{"a":null,"b":1}').hexdigest()
    assert records.signature(dict(b=1, a=None)) == expected


def test_differences_name_the_key():
    old = dict(tile=dict(size=1024, iof=0.7), prompt='hbox', same=[1])
    new = dict(tile=dict(size=600, iof=0.7), same=[1], chunk=64)
    assert records.differences(old, new) == [
        'chunk: null -> 64',
        'prompt: "hbox" -> null',
        'tile.size: 1024 -> 600',
    ]
    assert records.differences(dict(tile=None), dict(tile={'size': 1})) == [
        'tile: null -> {"size": 1}'
    ]
    (line,) = records.differences(dict(a='x' * 100), dict(a='y'))
    assert len(line) < 80


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
    assert json.loads(records.dump(box)) == box


def test_dump_is_compact_readable_and_has_no_nan():
    assert records.dump(dict(name='飞机', n=1.5)) == '{"name":"飞机","n":1.5}\n'.encode()
    with pytest.raises(ValueError, match='JSON compliant'):
        records.dump(dict(n=float('nan')))


def test_load(tmp_path):
    record = dict(image=dict(path='a.png'), signature='s', boxes=[new_box()])
    (tmp_path / 'a.json').write_bytes(records.dump(record))
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
    path.write_bytes(records.dump(dict(image=image, signature='', boxes=boxes)))
    with pytest.raises(records.RecordError, match=f'a.json: damaged record: .*{message}'):
        records.load_masks(path)


def test_sound_masks(tmp_path):
    path = tmp_path / 'a.json'
    mask = rle.encode(np.eye(4, 5, dtype=bool))
    record = dict(image=dict(height=4, width=5), signature='',
                  boxes=[dict(segmentation=mask), dict(segmentation=None)])  # fmt: skip
    path.write_bytes(records.dump(record))
    assert records.load_masks(path) == record
