"""Two people's corrections of one image: put together, or refused by name."""

import copy

import pytest
from corrected import square

from samrs_mm.formats.annotated.entries import BoxEntry, ImageEntry
from samrs_mm.formats.corrections.actions import (
    Corrections,
    CorrectionsError,
    action_of,
    added,
    undo_of,
)
from samrs_mm.formats.corrections.merging import merged

ANN = dict(by='ann', when='2026-01-02T03:04:05+00:00')
BOB = dict(by='bob', when='2026-01-02T04:00:00+00:00')
SIDES = 48, 64


@pytest.fixture
def boxes() -> list[BoxEntry]:
    corners = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]]
    facts = dict(category_id=1, category='ship', polygon=corners, scene_polygon=None, prompt='hbox')
    return [
        BoxEntry(number, f'a.txt:{number}', **facts, prompt_box=None, status='kept', reason='',
                 segmentation=square(*SIDES, x=number))
        for number in (1, 2)
    ]  # fmt: skip


@pytest.fixture
def pair() -> tuple[Corrections, Corrections]:
    image = ImageEntry('a.png', 'a', None, [0, 0], 64, 48, 'f' * 64, [])
    return Corrections.of('a', image), Corrections.of('a', image)


def test_decisions_on_other_boxes_are_put_together(boxes, pair):
    ours, theirs = pair
    shared = ours.add(action_of(boxes[0], 'accept', **ANN))
    theirs.add(copy.copy(shared))
    ours.add(action_of(boxes[0], 'class', 'plane', **ANN))
    ours.add(added('ship', square(*SIDES, y=20), **ANN))
    new = [theirs.add(action_of(boxes[1], 'reject', **BOB)),
           theirs.add(added('ship', square(*SIDES, y=30), **BOB))]  # fmt: skip
    assert merged(ours, theirs) == new
    for action in new:
        ours.add(action)
    assert merged(ours, theirs) == []
    assert len(ours.standing) == 5


def test_the_same_decision_twice_is_no_conflict(boxes, pair):
    ours, theirs = pair
    ours.add(action_of(boxes[0], 'reject', **ANN))
    new = theirs.add(action_of(boxes[0], 'reject', **BOB))
    assert merged(ours, theirs) == [new]


@pytest.mark.parametrize('other', ['class', 'mask', 'undo'])
def test_two_edits_of_one_box_are_refused_by_name(boxes, pair, other):
    ours, theirs = pair
    shared = ours.add(action_of(boxes[0], 'accept', **ANN))
    theirs.add(copy.copy(shared))
    ours.add(action_of(boxes[0], 'reject', **ANN))
    if other == 'undo':
        theirs.add(undo_of(shared, **BOB))
    else:
        value = 'plane' if other == 'class' else square(*SIDES, y=30)
        theirs.add(action_of(boxes[0], other, value, **BOB))
    with pytest.raises(CorrectionsError) as caught:
        merged(ours, theirs)
    assert str(caught.value) == (
        f'two edits of a.txt:1: reject by ann here, {other} by bob there; take one of them back'
    )


def test_corrections_of_another_picture_are_refused(pair):
    ours, theirs = pair
    theirs.image = dict(theirs.image, sha256='e' * 64)
    with pytest.raises(CorrectionsError, match='made on another picture'):
        merged(ours, theirs)
