"""Corrections in records: the hand's values, the machine's beside them, and out again."""

import numpy as np
import pytest
from mask_folders import CLASSES, drawn_box, no_mask

from samrs_mm.core import masks
from samrs_mm.formats.annotated.entries import ImageEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections, action_of, added, undo_of
from samrs_mm.formats.corrections.applying import enter, restore

WHO = dict(by='ann', when='2026-01-02T03:04:05+00:00')
HEIGHT, WIDTH = 96, 128


@pytest.fixture
def record(tmp_path) -> Record:
    rng = np.random.default_rng(0)
    boxes = [drawn_box(rng, number, HEIGHT, WIDTH) for number in range(1, 6)]
    for box in boxes:
        box.measure()
        box.score = 0.5
    boxes[3].status, boxes[3].reason = 'filtered', 'too small'
    boxes.append(no_mask(6, 'degenerate'))
    boxes.append(no_mask(7, 'empty'))
    boxes[6].polygon = boxes[0].polygon[::-1]
    image = ImageEntry('a.png', 'a', None, [10, 20], WIDTH, HEIGHT, 'e' * 64, [])
    record = Record(image, 'signature', boxes)
    record.paint('file_order')
    return record


@pytest.fixture
def corrections(record) -> Corrections:
    return Corrections.of('a', record.image)


def ring():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[4:30, 6:40] = True
    mask[10:20, 12:30] = False
    return masks.encode(mask)


def test_what_each_action_gives(record, corrections, tmp_path):
    before = record.dump()
    first, second, third, lost, fifth, _, empty = record.boxes
    machine = {box.box_id: box.as_dict() for box in record.boxes}
    for action in (
        action_of(first, 'accept', seconds=1, **WHO),
        action_of(second, 'reject', **WHO),
        action_of(third, 'class', 'plane', seconds=0.5, **WHO),
        action_of(lost, 'accept', **WHO),
        action_of(fifth, 'mask', ring(), seconds=3, **WHO),
        action_of(fifth, 'class', 'small-vehicle', seconds=2, **WHO),
        action_of(empty, 'mask', ring(), **WHO),
        added('ship', ring(), **WHO),
    ):
        corrections.add(action)
    enter(record, corrections, CLASSES)
    record.paint('small_on_top')
    found = {box.box_id: box for box in record.boxes}
    assert [box.status for box in record.boxes] == [
        'kept', 'rejected', 'corrected', 'kept', 'corrected', 'degenerate', 'corrected', 'added',
    ]  # fmt: skip
    assert [box.edited for box in record.boxes] == [
        ['accept'], ['reject'], ['class'], ['accept'], ['mask', 'class'], [], ['mask'], ['add'],
    ]  # fmt: skip
    assert found['a.txt:1'].machine == {}
    assert found['a.txt:1'].score == 0.5
    assert found['a.txt:2'].reason == 'rejected by hand'
    assert found['a.txt:2'].segmentation == machine['a.txt:2']['segmentation']
    assert found['a.txt:2'].visible_area == 0
    assert found['a.txt:5'].segmentation == ring()
    assert found['a.txt:5'].area == masks.area(ring())
    assert found['a.txt:5'].score is None
    assert found['a.txt:5'].seconds == 5
    assert found['a.txt:5'].category == 'small-vehicle'
    assert found['a.txt:5'].category_id == CLASSES.index('small-vehicle') + 1
    for key, value in found['a.txt:5'].machine.items():
        assert value == machine['a.txt:5'][key]
    new = record.boxes[-1]
    assert new.box_id == f'corrections/a.json:{corrections.actions[-1].id}'
    assert (new.id, new.prompt, new.coverage) == (8, 'hand', None)
    assert new.polygon == [[6, 4], [40, 4], [40, 30], [6, 30]]
    assert new.scene_polygon == [[16, 24], [50, 24], [50, 50], [16, 50]]
    assert record.corrections == dict(sha256=corrections.digest)
    assert {box.box_id for box in record.kept} == found.keys() - {'a.txt:2', 'a.txt:6'}
    path = tmp_path / 'a.json'
    record.write(path)
    again = Record.load_checked(path, len(CLASSES))
    assert again.dump() == record.dump()
    restore(again)
    again.paint('file_order')
    assert again.dump() == before


def test_entered_twice_or_from_the_start_is_the_same(record, corrections):
    corrections.add(action_of(record.boxes[0], 'mask', ring(), **WHO))
    found = []
    for _ in range(2):
        enter(record, corrections, CLASSES)
        record.paint('file_order')
        found.append(record.dump())
    assert found[0] == found[1]


def test_the_last_word_counts_and_undo_takes_it_back(record, corrections):
    before = record.dump()
    box = record.boxes[0]
    corrections.add(action_of(box, 'reject', **WHO))
    enter(record, corrections, CLASSES)
    accept = corrections.add(action_of(record.boxes[0], 'accept', **WHO))
    enter(record, corrections, CLASSES)
    assert (record.boxes[0].status, record.boxes[0].machine) == ('kept', {})
    for action in (accept, corrections.actions[0]):
        corrections.add(undo_of(action, **WHO))
    enter(record, corrections, CLASSES)
    record.paint('file_order')
    assert record.dump() == before


def test_an_accepted_mask_stays_when_the_machine_makes_another(record, corrections):
    accepted = record.boxes[0].segmentation
    corrections.add(action_of(record.boxes[0], 'accept', **WHO))
    record.boxes[0].enter_mask(masks.Mask(ring(), 0.9), '')
    enter(record, corrections, CLASSES)
    assert record.boxes[0].status == 'corrected'
    assert record.boxes[0].segmentation == accepted
    assert record.boxes[0].machine['segmentation'] == ring()


def test_boxes_are_known_again_where_labels_moved_in_their_file(record, corrections):
    corrections.add(action_of(record.boxes[1], 'reject', **WHO))
    for box in record.boxes:
        box.box_id = f'a.txt:{box.id + 1}'
    enter(record, corrections, CLASSES)
    assert [box.status for box in record.boxes[:3]] == ['kept', 'rejected', 'kept']


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        (lambda record: record.boxes.pop(0), 'the labels have no such box any more'),
        (lambda record: record.boxes[0].polygon.reverse(), 'the box is another now'),
        (lambda record: setattr(record.boxes[0], 'status', 'crowd'), 'the box is crowd, which'),
    ],
)
def test_what_does_not_fit_is_told_and_the_rest_entered(record, corrections, change, says):
    corrections.add(action_of(record.boxes[0], 'class', 'ship', **WHO))
    corrections.add(action_of(record.boxes[1], 'reject', **WHO))
    record.boxes[0].polygon = [list(point) for point in record.boxes[0].polygon]
    change(record)
    enter(record, corrections, CLASSES)
    (line,) = record.corrections['stale']
    assert line.startswith('class of a.txt:1 by ann: ')
    assert says in line
    assert [box.status for box in record.boxes].count('rejected') == 1


def test_a_class_that_is_gone_and_another_picture_are_told(record, corrections):
    corrections.add(action_of(record.boxes[0], 'class', 'tank', **WHO))
    enter(record, corrections, CLASSES)
    assert record.corrections['stale'] == [
        "class of a.txt:1 by ann: there is no class 'tank' any more"
    ]
    assert record.boxes[0].status == 'kept'
    record.image.sha256 = 'd' * 64
    enter(record, corrections, CLASSES)
    assert record.corrections['stale'] == ['all of them were made on another picture']


def test_what_people_drew_lies_on_top_of_any_score(record, corrections):
    whole = masks.encode(np.ones((HEIGHT, WIDTH), bool))
    corrections.add(added('ship', whole, **WHO))
    enter(record, corrections, CLASSES)
    assert (record.paint('score') == CLASSES.index('ship')).all()
