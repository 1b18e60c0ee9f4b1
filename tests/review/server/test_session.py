"""What is decided is written at once, once, and only about what was looked at."""

import csv
import shutil
import threading
import time

import pytest
from corrected import square
from folders import tree

from samrs_mm.core.errors import ImageReadError, RefusedError, SamrsError
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections, action_of
from samrs_mm.formats.corrections.shapes import EditError, mask_digest
from samrs_mm.review.server.session import Session, UnknownImageError


def quiet(_):
    return iter


def boxes_of(session, stem='P0000'):
    return session.record(stem).boxes


def decide(session, box, action, value=None, stem='P0000', seconds=2.0):
    return session.decide(stem, box.box_id, action, mask_digest(box), value, seconds)


def file_of(session, stem='P0000'):
    return Corrections.load(session.out.corrections(stem))


def test_decisions_are_in_the_file_before_the_answer(session):
    first, second, third = boxes_of(session)
    assert decide(session, first, 'accept').boxes[0].edited == ['accept']
    assert [(a.action, a.box_id, a.by, a.seconds) for a in file_of(session).actions] == [
        ('accept', first.box_id, 'ann', 2.0)
    ]
    decide(session, second, 'reject')
    record = decide(session, third, 'class', 'ship')
    assert [box.status for box in record.boxes] == ['kept', 'rejected', 'corrected']
    assert [a.action for a in file_of(session).actions] == ['accept', 'reject', 'class']
    assert session.queue.progress()['decided'] == 3


def test_records_and_lists_follow_at_the_end(session, place):
    before = tree(place / 'out')
    first, second, _ = boxes_of(session)
    decide(session, first, 'reject')
    decide(session, second, 'class', 'ship')
    after = tree(place / 'out')
    assert set(after.items()) - set(before.items()) == {
        (name, after[name]) for name in after if name.startswith('corrections')
    }
    assert session.close(quiet) == []
    statuses = [box.status for box in Record.load(session.out.path('instances', 'P0000')).boxes]
    assert statuses == ['rejected', 'corrected', 'kept']
    with open(place / 'out/ledger.csv', newline='') as file:
        rows = [row['edited'] for row in csv.DictReader(file) if row['scene'] == 'P0000']
    assert rows == ['reject', 'class', '']
    assert not session.changed


def test_undone_and_closed_it_is_the_folder_of_before(session, place):
    before = tree(place / 'out')
    first, *_ = boxes_of(session)
    decide(session, first, 'reject')
    session.close(quiet)
    record = session.undo('P0000', first.box_id)
    assert record.boxes[0].status == 'kept'
    session.close(quiet)
    after = {k: v for k, v in tree(place / 'out').items() if not k.startswith('corrections')}
    assert after == before


def test_the_last_decision_on_a_box_is_taken_back_first(session):
    first, *_ = boxes_of(session)
    decide(session, first, 'class', 'plane')
    decide(session, first, 'accept')
    assert session.undo('P0000', first.box_id).boxes[0].edited == ['class']
    assert session.undo('P0000', first.box_id).boxes[0].edited == []
    with pytest.raises(EditError, match='nothing to take back'):
        session.undo('P0000', first.box_id)


def test_a_decision_on_a_mask_that_is_another_by_now_is_refused(session):
    first, *_ = boxes_of(session)
    seen = mask_digest(first)
    record = Record.load(session.out.path('instances', 'P0000'))
    found = Corrections.of('P0000', record.image)
    found.add(action_of(record.boxes[0], 'mask', square(96, 128), by='bob', when='2026-01-01'))
    found.write(session.out.corrections('P0000'))  # another program, while the server runs
    with pytest.raises(EditError, match=r'two edits of labelTxt/P0000\.txt:1'):
        session.decide('P0000', first.box_id, 'accept', seen)
    assert [a.by for a in file_of(session).actions] == ['bob']


def test_what_cannot_be_decided_is_named(session):
    first, *_ = boxes_of(session)
    with pytest.raises(UnknownImageError, match=r"no image '\.\./secret'"):
        session.decide('../secret', first.box_id, 'accept', '')
    with pytest.raises(EditError, match='no box'):
        session.decide('P0000', 'labelTxt/P0009.txt:1', 'accept', '')
    with pytest.raises(EditError, match=r'action is .mask.; allowed: accept, reject, class'):
        session.decide('P0000', first.box_id, 'mask', '')
    with pytest.raises(EditError, match='unknown class'):
        decide(session, first, 'class', 'submarine')
    assert not session.out.corrections('P0000').exists()


def test_a_box_without_a_mask_can_only_be_rejected(session):
    path = session.out.path('instances', 'P0000')
    record = Record.load(path)
    box = record.boxes[0]
    box.status, box.segmentation, box.bbox, box.area = 'empty', None, None, 0
    record.write(path)
    for action in ('accept', 'class'):
        with pytest.raises(EditError, match=f'has no mask to {action}; draw one, or reject it'):
            decide(session, box, action, 'ship' if action == 'class' else None)
    assert decide(session, box, 'reject').boxes[0].status == 'rejected'


def test_a_picture_that_is_another_now_takes_no_corrections(session):
    first, *_ = boxes_of(session)
    decide(session, first, 'accept')
    path = session.out.path('instances', 'P0000')
    record = Record.load(path)
    record.image.sha256 = '0' * 64
    record.write(path)
    with pytest.raises(EditError, match='made on another picture'):
        decide(session, first, 'reject')


def test_a_killed_review_goes_on(session, place):
    first, *_ = boxes_of(session)
    decide(session, first, 'reject')
    again = Session(place / 'out', None, 'bob')  # nobody called close
    assert again.queue.progress()['decided'] == 1
    assert again.changed == {'P0000'}
    assert again.close(quiet) == []
    statuses = [box.status for box in Record.load(session.out.path('instances', 'P0000')).boxes]
    assert statuses == ['rejected', 'kept', 'kept']
    assert Session(place / 'out', None, 'bob').changed == set()


def test_decisions_from_several_threads_are_all_kept(session):
    boxes = [(stem, box) for stem in ('P0000', 'P0001') for box in boxes_of(session, stem)]
    threads = [
        threading.Thread(target=decide, args=(session, box, 'accept', None, stem))
        for stem, box in boxes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [a.box_id for stem in ('P0000', 'P0001') for a in file_of(session, stem).actions]
    assert sorted(found) == sorted(box.box_id for _, box in boxes)
    assert session.queue.progress()['decided'] == len(boxes)


def test_damaged_files_are_named(session):
    session.out.corrections('P0000').parent.mkdir()
    session.out.corrections('P0000').write_text('{')
    with pytest.raises(SamrsError, match=r'corrections/P0000\.json: damaged corrections'):
        session.look('P0000')


def test_folders_that_cannot_be_reviewed_are_refused(place):
    with pytest.raises(RefusedError, match='no annotated folder there, or one not finished'):
        Session(place / 'dota', None, 'ann')
    (place / 'out/ledger.csv').unlink()
    with pytest.raises(RefusedError, match='no such file'):
        Session(place / 'out', None, 'ann')


def test_data_that_were_moved_are_named_and_given(session, place):
    shutil.move(place / 'dota', place / 'moved')
    with pytest.raises(ImageReadError, match='no such image'):
        session.view('P0000')
    for given in (None, place / 'nowhere'):
        with pytest.raises(RefusedError, match='no such folder; say with --data-root where it is'):
            Session(place / 'out', given, 'ann')
    assert Session(place / 'out', place / 'moved', 'ann').view('P0000').width == 128
    (place / 'out/images').mkdir()  # as of tiles, whose pictures are there
    assert Session(place / 'out', None, 'ann').stems


def test_ten_thousand_images_start_at_once(session, place):
    head, *rows = (place / 'out/ledger.csv').read_text().splitlines()
    row = next(row for row in rows if 'P0000.txt:1' in row)
    many = [row.replace('P0000', f'Q{number:05}') for number in range(10_000) for _ in range(2)]
    (place / 'out/ledger.csv').write_text('\n'.join([head, *many]) + '\n')
    for number in range(10_000):
        (place / f'out/instances/Q{number:05}.json').touch()
    start = time.process_time()
    many_masks = Session(place / 'out', None, 'ann')
    assert time.process_time() - start < 2
    assert many_masks.queue.progress()['total'] == 20_000


def test_a_box_gets_the_mask_that_was_drawn(session):
    first, *_ = boxes_of(session)
    drawn = square(96, 128)
    record = session.redraw('P0000', first.box_id, mask_digest(first), drawn, 3)
    assert record.boxes[0].segmentation == drawn
    assert (record.boxes[0].status, record.boxes[0].edited) == ('corrected', ['mask'])
    session.redraw('P0000', first.box_id, mask_digest(record.boxes[0]), drawn)
    assert [a.action for a in file_of(session).actions] == ['mask']
    with pytest.raises(EditError, match='two edits of'):
        session.redraw('P0000', first.box_id, mask_digest(first), square(96, 128, x=9))
    assert session.undo('P0000', first.box_id).boxes[0].segmentation == first.segmentation


def test_a_rejected_box_comes_back_with_the_mask_it_had(session):
    first, *_ = boxes_of(session)
    (rejected, *_) = decide(session, first, 'reject').boxes
    record = session.redraw('P0000', first.box_id, mask_digest(rejected), first.segmentation)
    assert record.boxes[0].status == 'kept'


def test_an_object_is_added_and_can_be_taken_back(session, place):
    record, box_id = session.add('P0001', 'Ship', square(96, 128), 4.5)
    assert [box.box_id for box in record.boxes][-1] == box_id
    assert (record.boxes[-1].category, record.boxes[-1].status) == ('ship', 'added')
    session.close(quiet)
    assert Record.load(session.out.path('instances', 'P0001')).boxes[-1].status == 'added'
    record = session.undo('P0001', box_id)
    assert box_id not in [box.box_id for box in record.boxes]
    session.close(quiet)
    record = Record.load(session.out.path('instances', 'P0001'))
    assert not any(box.is_added for box in record.boxes)


def test_masks_that_cannot_be_are_named(session):
    first, *_ = boxes_of(session)
    seen = mask_digest(first)
    with pytest.raises(EditError, match=r'a mask of \[10, 10\] in an image of \[96, 128\]'):
        session.redraw('P0000', first.box_id, seen, square(10, 10, 0, 0, 2))
    with pytest.raises(EditError, match='the mask has no pixel; reject the box instead'):
        session.redraw('P0000', first.box_id, seen, square(96, 128, side=0))
    with pytest.raises(EditError, match='the mask has no pixel'):
        session.add('P0000', 'ship', square(96, 128, side=0))
    with pytest.raises(EditError, match='unknown class'):
        session.add('P0000', 'submarine', square(96, 128))
    assert not session.out.corrections('P0000').exists()
