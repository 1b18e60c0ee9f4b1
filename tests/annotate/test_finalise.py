import io
import json

from samrs_mm.annotate.finalise import Totals, sorted_counts
from samrs_mm.formats.annotated import folder


def test_totals():
    totals = Totals()
    assert not totals.partial
    totals.images['pending'] += 1
    totals.rows.update(['kept', 'malformed', 'failed', 'untiled'])
    assert totals.partial
    assert totals.unread == 2
    assert list(sorted_counts(totals.rows)) == ['failed', 'kept', 'malformed', 'untiled']


def test_the_same_records_give_the_same_bytes(filled, annotate):
    totals = annotate(filled)
    assert (totals.images, totals.boxes, totals.rows) == ({'done': 3}, 7, {'kept': 7})
    files = [io.BytesIO() for _ in range(3)]
    filled.finaliser(filled.settings()).render(*files)
    for file, name in zip(files, (folder.ANNOTATIONS, folder.LEDGER, folder.INDEX), strict=True):
        assert file.getvalue() == (filled.out.root / name).read_bytes()


def test_missing_images_are_pending(filled, annotate):
    totals = annotate(filled, limit=1)
    assert (totals.images, totals.rows) == ({'done': 1, 'pending': 2}, {'kept': 3, 'pending': 4})
    meta = json.loads(filled.out.meta.read_bytes())
    assert meta['partial'] is True
    assert meta['counts']['images'] == dict(total=3, done=1, pending=2)
