import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from released_keys import MODELS, released_keys

from samrs_mm.models.conversion.conversion import Conversion, Row
from samrs_mm.models.conversion.report import collapse, summary, table

ROWS = [
    Row('kept', 'a', 'a', (2, 3)),
    Row('left over', 'odd', '', (1,), 'not of this model', expected=False),
    Row('missing', '', 'fpn.1.bias', (), 'starts afresh'),
    Row('renamed', 'b', 'c', (2,)),
    Row('renamed', 'd', 'e', (2,), 'channels re-ordered'),
    Row('missing', '', 'fpn.0.bias', (4,), 'starts afresh'),
    Row('dropped', 'head', '', (2,), 'classifier'),
]


def expand(pattern):
    """The names a pattern stands for, by its own reading of ``{0-3,a}``."""
    choices = []
    for part in re.split(r'[{}]', pattern):
        words = []
        for word in part.split(','):
            run = re.fullmatch(r'(\d+)-(\d+)', word)
            words += map(str, range(int(run[1]), int(run[2]) + 1)) if run else [word]
        choices.append(words)
    return [''.join(choice) for choice in itertools.product(*choices)]


@pytest.mark.parametrize(
    ('names', 'patterns'),
    [
        ([], []),
        (['a.b'], ['a.b']),
        (['norm.weight', 'norm.bias'], ['norm.{bias,weight}']),
        ([f'a.{n}.b' for n in (3, 1, 0, 2, 10)], ['a.{0-3,10}.b']),
        (['a.0', 'a.1', 'b.0.c'], ['a.{0,1}', 'b.0.c']),
        ([f'{n}.{k}' for n in range(9, 12) for k in 'xy'], ['{9-11}.{x,y}']),
    ],
)
def test_examples(names, patterns):
    assert collapse(names) == patterns


@pytest.mark.parametrize('model', MODELS)
def test_stands_for_exactly_the_names_in_fewer_lines(model):
    names = released_keys(model)
    patterns = collapse(names)
    expanded = [name for pattern in patterns for name in expand(pattern)]
    assert sorted(expanded) == sorted(names)
    assert len(patterns) < len(names) / 2.5
    firsts = [min([*names].index(name) for name in expand(pattern)) for pattern in patterns[:20]]
    assert firsts == sorted(firsts)


@given(st.sets(st.lists(st.sampled_from(['0', '1', '2', '5', 'a', 'b']), min_size=1, max_size=4)
               .map('.'.join), max_size=25))  # fmt: skip
def test_any_names_come_back(names):
    expanded = [name for pattern in collapse(names) for name in expand(pattern)]
    assert sorted(expanded) == sorted(names)


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
