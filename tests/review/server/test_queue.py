"""The queue: by doubt, chosen, counted, and brought up to what was decided."""

from dataclasses import replace

import pytest
from corrected import WHO, correct_some

from samrs_mm.formats.annotated.doubt import doubt
from samrs_mm.formats.annotated.ledger import COLUMNS, csv_writer, read_ledger
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections, action_of
from samrs_mm.review.server.queue import Queue


def item_of(queue, box_id):
    return next(item for item in queue.items if item.box_id == box_id)


@pytest.fixture
def queue(session):
    return session.queue


def test_the_most_doubtful_come_first_by_the_reports_measure(place, tmp_path):
    rows = list(read_ledger(place / 'out/ledger.csv'))
    rows = [replace(row, score=(7 * k % 10) / 10) for k, row in enumerate(rows)]
    with open(tmp_path / 'ledger.csv', 'wb') as file:
        table = [[getattr(row, name) for name in COLUMNS] for row in rows]
        csv_writer(file).writerows([COLUMNS, *table])
    queue = Queue.of_ledger(tmp_path / 'ledger.csv')
    expected = sorted(rows, key=lambda row: -doubt(row))
    assert [item.box_id for item in queue.items] == [row.box_id for row in expected]
    assert [item.doubt for item in queue.items] == [doubt(row) for row in expected]
    assert len({item.doubt for item in queue.items}) > 4


def test_boxes_that_were_not_prompted_are_not_in_it(place, tmp_path):
    rows = list(read_ledger(place / 'out/ledger.csv'))
    rows[0], rows[1] = replace(rows[0], status='outside'), replace(rows[1], status='crowd')
    with open(tmp_path / 'ledger.csv', 'wb') as file:
        table = [[getattr(row, name) for name in COLUMNS] for row in rows]
        csv_writer(file).writerows([COLUMNS, *table])
    queue = Queue.of_ledger(tmp_path / 'ledger.csv')
    assert {item.box_id for item in queue.items} == {row.box_id for row in rows[2:]}


def test_pages_go_on_where_the_last_one_ended(queue):
    found, start = [], 0
    while start is not None:
        page, start = queue.page(start, 2)
        assert len(page) <= 2
        found += page
    assert found == queue.items


def test_chosen_by_class_status_and_what_was_decided(queue):
    queue.items[1].edited = ['accept']
    assert queue.page(0, 99, 'decided')[0] == [queue.items[1]]
    assert queue.items[1] not in queue.page(0, 99, 'open')[0]
    assert queue.page(0, 99, 'all')[0] == queue.items
    ships = queue.page(0, 99, 'all', category='ship')[0]
    assert ships == [item for item in queue.items if item.category == 'ship'] != []
    assert queue.page(0, 99, 'all', status='filtered')[0] == []


def test_places_stay_when_masks_before_them_are_decided(queue):
    first, start = queue.page(0, 2)
    for item in first:
        item.edited = ['accept']
    assert queue.page(start, 99)[0] == queue.items[2:]


def test_a_record_tells_what_was_decided_and_undone(session):
    queue = session.queue
    found = correct_some(session.out)
    first, second, third = (action.box_id for action in found.actions[:3])
    session.look('P0000')
    assert item_of(queue, first).status == 'corrected'
    assert (item_of(queue, second).category, item_of(queue, second).doubt) == ('ship', 0)
    assert item_of(queue, third).status == 'rejected'
    assert queue.progress() == dict(total=7, decided=3, seconds_per_mask=2.75)
    session.out.corrections('P0000').unlink()
    fresh = Queue.of_ledger(session.out.root / 'ledger.csv')
    before = {item.box_id: item.doubt for item in fresh.items}
    session.look('P0000')
    assert queue.progress() == dict(total=7, decided=0, seconds_per_mask=None)
    assert {item.box_id: item.doubt for item in queue.items} == before


def test_corrections_that_are_newer_than_the_ledger_count(session):
    correct_some(session.out)
    found = Corrections.load(session.out.corrections('P0000'))
    queue = Queue.of_ledger(session.out.root / 'ledger.csv')
    queue.catch_up(found)
    shown = {item.box_id: (item.category, item.status, item.edited) for item in queue.items}
    session.look('P0000')
    known = {item.box_id: (item.category, item.status, item.edited) for item in session.queue.items}
    assert {key: value for key, value in shown.items() if value[2]} == {
        key: value for key, value in known.items() if value[2]
    }
    assert queue.progress() == session.queue.progress()


def test_an_accepted_mask_that_is_newer_is_kept(session):
    record = Record.load(session.out.path('instances', 'P0001'))
    found = Corrections.of('P0001', record.image)
    found.add(action_of(record.boxes[0], 'accept', **WHO))
    session.queue.catch_up(found)
    item = item_of(session.queue, record.boxes[0].box_id)
    assert (item.status, item.edited) == ('kept', ['accept'])
