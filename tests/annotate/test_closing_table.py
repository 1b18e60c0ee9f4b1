from collections import Counter
from types import SimpleNamespace

from samrs_mm.annotate import closing_table
from samrs_mm.annotate.finalise import Totals


def job_of(**more):
    counts = SimpleNamespace(classes=dict(plane=3, ship=0))
    plan = SimpleNamespace(tiles=range(4))
    job = dict(plan=plan, label_counts=counts, out=SimpleNamespace(root='OUT'), grid=None)
    job['dataset'] = SimpleNamespace(elsewhere=0)
    return SimpleNamespace(**job | more)


def totals_of(**more):
    totals = dict(
        images=Counter(done=3, failed=1), boxes=5, rows=Counter(ok=3, outside=2), no_data=1
    )
    return Totals(**totals | more)


def test_boxes_classes_and_notes():
    notes = Counter({('box', f'note {i}'): i for i in range(1, 8)})
    examples = dict(ok='a.txt:1')
    totals = totals_of(images=Counter(done=3, pending=1), notes=notes, bare=1, examples=examples)
    assert list(closing_table.lines(job_of(), totals)) == [
        'images   4 (3 done, 1 pending)',
        'boxes    5 in the labels, 5 ledger rows (1 of an image or label file, not of a box)',
        '  ok         3  <- see ledger.csv, such as a.txt:1',
        '  outside    2  (1 where there is no data)',
        'classes  2: plane 3',
        '  without a box: ship',
        *(f'note     {i} boxes: note {i}' for i in (7, 6, 5, 4, 3)),
        'note     2 more; see ledger.csv and the records',
        'written  OUT (partial: images are missing)',
    ]


def test_boxes_that_are_only_counted():
    found = list(closing_table.lines(job_of(dataset=SimpleNamespace(elsewhere=7)), totals_of()))
    assert found[4:6] == [
        '  elsewhere  7  (far from all scenes, not in the ledger)', 'classes  2: plane 3',
    ]  # fmt: skip


def test_masks_of_a_grid_have_no_classes():
    found = list(closing_table.lines(job_of(grid=object()), totals_of(rows=Counter(ok=1))))
    assert found[1] == 'masks    no labels, 1 ledger row'
    assert not [line for line in found if line.startswith('classes')]
