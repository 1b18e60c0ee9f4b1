import io
import json
import os

import pytest

from samrs_mm.annotate.changes import Changes
from samrs_mm.annotate.finalise import Finaliser, sorted_counts
from samrs_mm.annotate.totals import Totals
from samrs_mm.core import installed
from samrs_mm.formats.annotated import folder

LISTS = folder.ANNOTATIONS, folder.LEDGER, folder.INDEX


def test_totals():
    totals = Totals()
    assert not totals.partial
    totals.images['pending'] += 1
    totals.rows.update(['kept', 'malformed', 'failed', 'untiled'])
    assert totals.partial
    assert totals.unread == 2
    assert list(sorted_counts(totals.rows)) == ['failed', 'kept', 'malformed', 'untiled']


def test_totals_come_back_from_json():
    totals = Totals(boxes=3, bare=1, no_data=2, examples={'failed': 'a.txt:1: why'})
    totals.rows.update(['kept', 'failed', 'kept'])
    totals.images.update(['pending'])
    totals.kept.update(['ship'])
    totals.add_record(b'{}')
    for note in ('0..8 scaled', '0..9 scaled', 'grey'):
        totals.add_note('image', note)
    again = Totals.from_json(json.loads(json.dumps(totals.as_json())))
    assert again.notes.most_common() == [(('image', '0..8 scaled'), 2), (('image', 'grey'), 1)]
    assert again.records_sha256 == totals.records_sha256 != Totals().records_sha256
    assert again.as_json() == totals.as_json()
    assert again.partial


def test_the_same_records_give_the_same_bytes(filled, annotate):
    totals = annotate(filled)
    assert (totals.images, totals.boxes, totals.rows) == ({'done': 3}, 7, {'kept': 7})
    files = [io.BytesIO() for _ in range(3)]
    filled.finaliser(filled.settings()).render(*files)
    for file, name in zip(files, LISTS, strict=True):
        assert file.getvalue() == (filled.out.root / name).read_bytes()


def test_missing_images_are_pending(filled, annotate):
    totals = annotate(filled, limit=1)
    assert (totals.images, totals.rows) == ({'done': 1, 'pending': 2}, {'kept': 3, 'pending': 4})
    meta = json.loads(filled.out.meta.read_bytes())
    assert meta['partial'] is True
    assert meta['counts']['images'] == dict(total=3, done=1, pending=2)


def states(job):
    return [(job.out.root / name).stat().st_ino for name in LISTS]


@pytest.fixture
def rendered(monkeypatch):
    """Count how often the lists are made."""
    calls = []
    render = Finaliser.render
    monkeypatch.setattr(Finaliser, 'render', lambda *args: calls.append(1) or render(*args))
    return calls


def test_lists_of_unchanged_records_are_not_made_again(filled, annotate, rendered):
    totals = annotate(filled)
    before, meta = states(filled), filled.out.meta.read_bytes()
    filled.out.meta.write_bytes(b'{}')
    again = filled.finaliser(filled.settings()).write()
    assert len(rendered) == 1
    assert again.as_json() == totals.as_json()
    assert states(filled) == before
    assert filled.out.meta.read_bytes() == meta
    filled.finaliser(filled.settings()).write(anew=True)
    assert len(rendered) == 2


def a_record(job, patch):
    path = job.out.path(folder.INSTANCES, 'P0001')
    path.write_bytes(path.read_bytes().replace(b'"notes":[]', b'"notes":["seen"]', 1))


def a_lost_record(job, patch):
    job.out.path(folder.INSTANCES, 'P0001').unlink()


def a_failure(job, patch):
    a_lost_record(job, patch)
    job.finaliser(job.settings()).write()
    (job.out.root / folder.FAILED / 'P0001.json').write_text('{')


def a_lost_list(job, patch):
    (job.out.root / folder.LEDGER).unlink()


def a_list(job, patch):
    path = job.out.root / folder.INDEX
    path.write_bytes(path.read_bytes()[:-1])


def a_touched_list(job, patch):
    os.utime(job.out.root / folder.ANNOTATIONS, (1, 1))


def a_problem(job, patch):
    path = job.dataset.root / 'labelTxt/P0001.txt'
    path.write_text(path.read_text() + '1 2 3 ship 0\n')


def another_problem(job, patch):
    a_problem(job, patch)
    job.collect_classes()
    job.finaliser(job.settings()).write()
    path = job.dataset.root / 'labelTxt/P0001.txt'
    path.write_text(path.read_text().replace('1 2 3 ship', '1 2 x ship'))


def unreadable(job, patch):
    (job.dataset.root / 'labelTxt/P0001.txt').write_bytes(b'\xff\xfe\x00')


def the_code(job, patch):
    patch.setattr('samrs_mm.annotate.finalise.digest_of_code', lambda *rooms: 'other')


def a_library(job, patch):
    versions = installed.library_versions() | dict(shapely='9')
    patch.setattr('samrs_mm.annotate.finalise.library_versions', lambda: versions)


def the_rule(job, patch):
    patch.setattr(job.dataset, 'rule', type(job.dataset.rule)(exif='stored'))


@pytest.mark.parametrize('change', [
    a_record, a_lost_record, a_failure, a_lost_list, a_list, a_touched_list, a_problem,
    another_problem, unreadable, the_code, a_library, the_rule,
])  # fmt: skip
def test_after_any_change_the_lists_are_those_of_a_new_run(
    filled, annotate, monkeypatch, rendered, change
):
    annotate(filled)
    change(filled, monkeypatch)
    filled.collect_classes()
    before = len(rendered)
    filled.finaliser(filled.settings()).write()
    assert len(rendered) == before + 1
    found = [(filled.out.root / name).read_bytes() for name in LISTS]
    meta = filled.out.meta.read_bytes()
    filled.finaliser(filled.settings()).write(anew=True)
    assert [(filled.out.root / name).read_bytes() for name in LISTS] == found
    assert filled.out.meta.read_bytes() == meta


def test_outdated_images_are_in_no_list_that_was_kept(filled, annotate, rendered):
    annotate(filled)
    changes = Changes(redo={'P0001': 'boxes changed'})
    totals = filled.finaliser(filled.settings(), changes=changes).write()
    assert totals.images == {'done': 2, 'outdated': 1}
    assert filled.finaliser(filled.settings()).write().images == {'done': 3}
    assert len(rendered) == 3


def test_what_does_not_reconcile_is_told_each_time(filled, annotate):
    annotate(filled)
    filled.out.path(folder.INSTANCES, 'P0001').write_text('{')
    for _ in range(2):
        assert len(filled.finaliser(filled.settings()).write().problems) == 1
