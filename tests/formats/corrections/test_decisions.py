"""Decisions of the report: read strictly, for the mask that was looked at, once."""

import json

import numpy as np
import pytest
from mask_folders import CLASSES, drawn_box

from samrs_mm.core.classes import ClassTable
from samrs_mm.formats.annotated.entries import ImageEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections
from samrs_mm.formats.corrections.applying import enter
from samrs_mm.formats.corrections.decisions import actions_of, read_decisions
from samrs_mm.formats.corrections.shapes import EditError, mask_digest

TABLE = ClassTable(CLASSES)


@pytest.fixture
def record() -> Record:
    rng = np.random.default_rng(0)
    image = ImageEntry('a.png', 'a', None, [0, 0], 128, 96, 'e' * 64, [])
    return Record(image, 's', [drawn_box(rng, number, 96, 128) for number in (1, 2, 3)])


def entry(record, number, action, value=None, seconds=1.5):
    box = record.boxes[number]
    return dict(
        stem='a', box_id=box.box_id, mask=mask_digest(box), action=action, value=value,
        when='2026-01-02T03:04:05Z', seconds=seconds,
    )  # fmt: skip


def written(path, *entries):
    path.write_text(json.dumps(dict(by='ann', decisions=entries)))
    return path


def test_they_become_actions_once(record, tmp_path):
    entries = [entry(record, 0, 'accept'), entry(record, 1, 'reject'),
               entry(record, 2, 'class', 'plane')]  # fmt: skip
    by, found = read_decisions(written(tmp_path / 'd.json', *entries))
    assert (by, list(found)) == ('ann', ['a'])
    corrections = Corrections.of('a', record.image)
    for action in actions_of(found['a'], record, TABLE, by):
        corrections.add(action)
    assert [(each.action, each.seconds) for each in corrections.actions] == [
        ('accept', 1.5), ('reject', 1.5), ('class', 1.5),
    ]  # fmt: skip
    enter(record, corrections, CLASSES)
    assert [box.status for box in record.boxes] == ['kept', 'rejected', 'corrected']
    assert actions_of(found['a'], record, TABLE, by) == []


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        (dict(box_id='x'), 'a has no box x (any more)'),
        (dict(mask='0'), 'two edits of a.txt:1: its mask in a is not the one that was looked at'),
        (dict(action='class', value='tank'), "a.txt:1: unknown class 'tank'"),
    ],
)
def test_what_does_not_fit_is_named(record, tmp_path, change, says):
    path = written(tmp_path / 'd.json', entry(record, 0, 'accept') | change)
    _, found = read_decisions(path)
    with pytest.raises(EditError) as caught:
        actions_of(found['a'], record, TABLE, 'ann')
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        (dict(action='keep'), "decisions[0].action is 'keep'; allowed: accept, reject, class"),
        (dict(action='class'), "decisions[0].value is None; not a value of 'class'"),
        (dict(value=1), "decisions[0].value is 1; not a value of 'accept'"),
        (dict(value=['ship']), "decisions[0].value is ['ship']; not a value of 'accept'"),
        (dict(seconds=-1), 'decisions[0].seconds is -1; expected 0 or more'),
        (dict(stem=3), 'decisions[0] has a name or a time that is no text'),
        (dict(more=1), 'decisions[0] is {'),
    ],
)
def test_a_file_that_is_none_is_one_line(record, tmp_path, change, says):
    path = written(tmp_path / 'd.json', entry(record, 0, 'accept') | change)
    with pytest.raises(EditError) as caught:
        read_decisions(path)
    assert str(caught.value).startswith(f'{path}: ')
    assert says in str(caught.value)


def test_two_decisions_on_one_mask_and_other_files_are_refused(record, tmp_path):
    path = written(tmp_path / 'd.json', entry(record, 0, 'accept'), entry(record, 0, 'reject'))
    with pytest.raises(EditError, match=r'decisions\[0\] and decisions\[1\] are on one mask'):
        read_decisions(path)
    path.write_text('{"by": null, "decisions": []}')
    with pytest.raises(EditError, match='by is None; expected the name of who decided'):
        read_decisions(path)
    path.write_text('[]')
    with pytest.raises(EditError, match='not decisions that the review report saved'):
        read_decisions(path)
    with pytest.raises(EditError, match='cannot read it'):
        read_decisions(tmp_path / 'none.json')
