import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from released_keys import MODELS, released_keys

from samrs_mm.models.conversion.name_patterns import collapse


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
