from samrs_mm.models.conversion.conversion import Conversion, Row
from samrs_mm.models.conversion.conversion_report import summary, table

ROWS = [
    Row('kept', 'a', 'a', (2, 3)),
    Row('left over', 'odd', '', (1,), 'not of this model', expected=False),
    Row('missing', '', 'fpn.1.bias', (), 'starts afresh'),
    Row('renamed', 'b', 'c', (2,)),
    Row('renamed', 'd', 'e', (2,), 'channels re-ordered'),
    Row('missing', '', 'fpn.0.bias', (4,), 'starts afresh'),
    Row('dropped', 'head', '', (2,), 'classifier'),
]


def test_counts_then_groups_and_the_unexpected_last():
    assert summary(Conversion({}, ROWS)) == [
        'kept 1  renamed 2  resized 0  dropped 1  missing 2  left over 1',
        'renamed: channels re-ordered (1)',
        '  d',
        'dropped: classifier (1)',
        '  head',
        'missing: starts afresh (2)',
        '  fpn.{0,1}.bias',
        'NOT EXPECTED, left over: not of this model (1)',
        '  odd',
    ]


def test_a_long_group_is_cut():
    rows = [Row('dropped', f'{"x." * n}end', '', (), 'long') for n in range(1, 16)]
    lines = summary(Conversion({}, rows))
    assert lines[1] == 'dropped: long (15)'
    assert len(lines) == 2 + 12 + 1
    assert lines[-1] == '  ... and 3 more of the kind; --report lists all'


def test_the_table_has_every_key():
    lines = table(Conversion({}, ROWS)).decode().splitlines()
    assert lines[:4] == [
        'status,source,target,shape,reason,expected',
        'kept,a,a,2x3,,yes',
        'left over,odd,,1,not of this model,no',
        'missing,,fpn.1.bias,scalar,starts afresh,yes',
    ]
    assert len(lines) == 1 + len(ROWS)
