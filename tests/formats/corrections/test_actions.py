"""The file of corrections: only added to, undone by an action, damaged ones told in a line."""

import json

import numpy as np
import pytest

from samrs_mm.core import masks
from samrs_mm.formats.annotated.entries import BoxEntry, ImageEntry
from samrs_mm.formats.corrections.actions import (
    Corrections,
    CorrectionsError,
    action_of,
    added,
    undo_of,
)

WHO = dict(by='ann', when='2026-01-02T03:04:05+00:00')
SIZE = 12, 16


def filled(y, x, height=3, width=4):
    mask = np.zeros(SIZE, bool)
    mask[y : y + height, x : x + width] = True
    return masks.encode(mask)


@pytest.fixture
def box() -> BoxEntry:
    corners = np.array([[2, 2], [6, 2], [6, 5], [2, 5]], float)
    box = BoxEntry.new(1, 'a.txt:1', 0, 'ship', 'hbox', corners, corners, None, 'kept')
    box.enter_mask(masks.Mask(filled(2, 2)), '')
    return box


@pytest.fixture
def corrections() -> Corrections:
    return Corrections.of('a', ImageEntry('a.png', 'a', None, [0, 0], 16, 12, 'f' * 64, []))


def test_there_and_back(corrections, box, tmp_path):
    corrections.add(action_of(box, 'mask', filled(3, 3), seconds=2.5, **WHO))
    corrections.add(action_of(box, 'class', 'plane', **WHO))
    new = corrections.add(added('ship', filled(0, 0), **WHO))
    assert new.box_id == f'corrections/a.json:{new.id}'
    path = tmp_path / 'corrections/a.json'
    corrections.write(path)
    read = Corrections.load(path)
    assert read == corrections
    assert read.dump() == path.read_bytes()
    assert read.actions[0].before == dict(
        status='kept', category='ship', segmentation=box.segmentation
    )


def test_equal_actions_have_names_of_their_own(corrections, box):
    for _ in range(3):
        corrections.add(action_of(box, 'accept', **WHO))
    assert len({each.id for each in corrections.actions}) == 3


def test_undo_is_an_action_and_can_be_undone(corrections, box):
    accept = corrections.add(action_of(box, 'accept', **WHO))
    digest = corrections.digest
    undo = corrections.add(undo_of(accept, **WHO))
    assert (corrections.standing, corrections.digest) == ([], '')
    corrections.add(undo_of(undo, **WHO))
    assert corrections.standing == [accept]
    assert corrections.digest == digest
    assert len(corrections.actions) == 3


def test_with_an_added_object_goes_what_was_done_to_it(corrections, box):
    new = corrections.add(added('ship', filled(0, 0), **WHO))
    box.box_id, box.edited = new.box_id, ['add']
    corrections.add(action_of(box, 'class', 'plane', **WHO))
    corrections.add(undo_of(new, **WHO))
    assert corrections.standing == []


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        (lambda data: data.pop('image'), 'not an object of image and actions'),
        (lambda data: data['image'].update(width=0), 'expected a size in pixels'),
        (lambda data: data['actions'][0].update(action='keep'), "action is 'keep'; allowed: acc"),
        (
            lambda data: data['actions'][0].update(value=None),
            "value is None; not a value of 'mask'",
        ),
        (lambda data: data['actions'][0].pop('by'), "no 'by'"),
        (lambda data: data['actions'][0].update(seconds=-1), 'seconds is -1; expected 0 or more'),
        (lambda data: data['actions'].append(data['actions'][0]), 'that of another action'),
        (lambda data: data['actions'][1].update(value='nix'), "'nix': no action before it"),
        (
            lambda data: data['image'].update(height=13),
            'a mask of [12, 16] in an image of [13, 16]',
        ),
        (
            lambda data: data['actions'][0].update(value=masks.encode(np.zeros(SIZE, bool))),
            'a mask without a pixel; reject the box instead',
        ),
    ],
)
def test_a_damaged_file_is_one_line_with_its_cure(corrections, box, tmp_path, change, says):
    action = corrections.add(action_of(box, 'mask', filled(3, 3), **WHO))
    corrections.add(undo_of(action, **WHO))
    data = json.loads(corrections.dump())
    change(data)
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(data))
    with pytest.raises(CorrectionsError) as caught:
        Corrections.load(path)
    line = str(caught.value)
    assert line.startswith(f'{path}: damaged corrections: ')
    assert says in line
    assert line.endswith('put back a copy of it; without one, delete it (its corrections are lost) '
                         'and run again')  # fmt: skip


def test_what_is_no_json_is_told(tmp_path):
    for text in ('', '[', '[1]'):
        (tmp_path / 'a.json').write_text(text)
        with pytest.raises(CorrectionsError, match='damaged corrections'):
            Corrections.load(tmp_path / 'a.json')
    with pytest.raises(CorrectionsError, match='cannot read it: No such file'):
        Corrections.load(tmp_path / 'b.json')
