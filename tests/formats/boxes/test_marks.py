import numpy as np
import pytest

from samrs_mm.core.boxes import BadBoxError
from samrs_mm.formats.boxes.marks import degrees_of, flags_of, region_of, turned, whole


@pytest.mark.parametrize(
    ('value', 'region'),
    [
        (None, ''), (False, ''), (0, ''), (0.0, ''), ('0', ''), ('', ''), ('false', ''),
        (float('nan'), ''), (1, 'crowd'), (True, 'crowd'), (1.0, 'crowd'), ('1', 'crowd'),
        (' True ', 'crowd'),
    ],
)  # fmt: skip
def test_what_stands_for_no_is_no_crowd(value, region):
    assert region_of(dict(iscrowd=value)) == region
    assert region_of(dict(ignore=value)) == region.replace('crowd', 'ignored')


def test_what_is_to_be_ignored_is_no_crowd():
    assert region_of(dict(iscrowd=1, ignore=1)) == 'ignored'
    assert region_of({}) == ''


@pytest.mark.parametrize('value', [2, -1, 0.5, 'x', '²', [], {}, float('inf'), '9' * 400])
@pytest.mark.parametrize('key', ['iscrowd', 'ignore'])
def test_what_is_neither_0_nor_1_is_named(key, value):
    with pytest.raises(BadBoxError, match=rf'^{key} is .*; allowed: 0 or 1$'):
        region_of({key: value})


def test_flags_stand_beside_the_box_or_in_its_attributes():
    entry = dict(truncated='1', attributes=dict(occluded=True, truncated=False, difficult=2.0))
    assert flags_of(entry) == (dict(truncated=1, occluded=1, difficult=2), ())
    assert flags_of(dict(difficult=None, attributes=None)) == ({}, ())


def test_flags_that_are_no_whole_numbers_have_a_note():
    flags, notes = flags_of(dict(difficult='Unspecified', truncated=1))
    assert flags == dict(truncated=1)
    assert notes == ("difficult is 'Unspecified', no whole number: not kept",)


def test_whole():
    assert [whole(value) for value in ('12', 7.0, 1e12, -3, 'yes')] == [12, 7, None, None, 1]


def test_a_box_turns_about_its_centre_clockwise_as_seen():
    corners, note = turned([0, 40, 60, 60], 90)
    np.testing.assert_allclose(np.sort(corners, axis=0)[[0, -1]], [[20, 20], [40, 80]])
    assert note.startswith('turned by 90 degrees')
    corners, _ = turned([20, 45, 80, 55], 30)
    right = corners[corners[:, 0].argsort()[-2:]].mean(axis=0)  # y grows downwards
    np.testing.assert_allclose(right, [50 + 30 * np.cos(np.pi / 6), 50 + 15])


@pytest.mark.parametrize(
    ('value', 'degrees'),
    [(30, 30), ('-12.5', -12.5), (0.0, 0), (360, 0), (None, 0), ('left', 0), (float('nan'), 0),
     ([], 0), (10**400, 0)],
)  # fmt: skip
def test_degrees(value, degrees):
    assert degrees_of(value) == degrees
