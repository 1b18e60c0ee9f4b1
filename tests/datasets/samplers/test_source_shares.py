"""Batches that are divided among sources by temperature, or by given shares."""

from collections import Counter
from itertools import chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_cases import TRAIN, ranks, source_of, take, worlds

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.samplers.proportional_multi_source_sampler import tempered, whole_shares


def named(shares):
    return {f'source{i}': share for i, share in enumerate(shares)}


temperatures = st.floats(0.25, 64) | st.just(float('inf'))
divisions = st.one_of(
    st.fixed_dictionaries(dict(temperature=temperatures)),
    st.lists(st.floats(0.01, 100), min_size=5, max_size=5).map(lambda drawn: dict(shares=drawn)),
)


def of(division, sizes):
    """The options for so many sources."""
    if 'shares' in division:
        return dict(shares=named(division['shares'][: len(sizes)]))
    return division


def test_a_temperature_between_proportion_and_equal_shares():
    found = {T: ranks(TRAIN, 96, 1, temperature=T)[0].quotas.values() for T in (1, 2, 5, 1e9)}
    assert {T: [*quotas] for T, quotas in found.items()} == {
        1: [18, 12, 66],  # square roots are 128.9, 105.5, 246.9 of 481.3
        2: [26, 21, 49],
        5: [30, 27, 39],  # 6.98, 6.45, 9.06 of 22.49
        1e9: [32, 32, 32],
    }
    assert [*ranks(TRAIN, 96, 1, temperature=float('inf'))[0].quotas.values()] == [32, 32, 32]
    assert [*ranks(TRAIN, 96, 1, temperature=0.5)[0].quotas.values()] == [6, 3, 87]


def test_given_shares():
    made = ranks(TRAIN, 12, 1, shares=dict(source2=1, source0=0.5, source1=1.5))[0]
    assert made.quotas == dict(source0=2, source1=6, source2=4)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6), temperatures)
def test_tempered_sizes_keep_their_order_and_differ_less_above_1(sizes, temperature):
    found = tempered(sizes, temperature)
    assert min(found) >= 1
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    assert all(found[a] <= found[b] for a, b in pairwise(order))
    if temperature > 1 and max(sizes) < 2**20:
        assert max(found) / min(found) <= max(sizes) / min(sizes) * (1 + 1e-4)
    exact = [size ** (1 / temperature) for size in sizes]
    for one, share in zip(found, exact, strict=True):
        if one > 1000:
            assert abs(one / max(found) - share / max(exact)) < 1e-3


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=6))
def test_shares_become_whole_numbers_without_loss(shares):
    found = whole_shares(shares)
    assert all(isinstance(one, int) and one > 0 for one in found)
    for one, share in zip(found, shares, strict=True):
        assert abs(one / sum(found) - share / sum(shares)) < 1e-9


@settings(max_examples=30)
@given(worlds, divisions)
def test_batches_are_divided_as_asked_on_any_number_of_ranks(drawn, division):
    sizes, batch_size, world = drawn
    division = of(division, sizes)
    one = ranks(sizes, batch_size * world, 1, keyed=True, **division)[0]
    samplers = ranks(sizes, batch_size, world, keyed=True, **division)
    hands = [take(sampler, 5) for sampler in samplers]
    quotas = [*one.quotas.values()]
    assert sum(quotas) == batch_size * world
    assert min(quotas) >= 1
    wanted = [*division.get('shares', {}).values()] or tempered(sizes, division['temperature'])
    exact = [sum(quotas) * share / sum(wanted) for share in wanted]
    if min(exact) >= 1:
        assert all(abs(q - e) < 1 + 1e-9 for q, e in zip(quotas, exact, strict=True))
    seen = [[] for _ in sizes]
    for iteration in range(5):
        whole = one.batch(iteration)
        assert [hands[i % world][iteration][i // world] for i in range(len(whole))] == whole
        counts = [Counter(source_of(i, sizes) for i, _ in hand[iteration]) for hand in hands]
        for source in range(len(sizes)):
            of_ranks = [count[source] for count in counts]
            assert sum(of_ranks) == quotas[source]
            assert max(of_ranks) - min(of_ranks) <= 1
        for index, _ in whole:
            seen[source_of(index, sizes)].append(index)
    for stream, size in zip(seen, sizes, strict=True):
        for start in range(0, len(stream), size):
            part = stream[start : start + size]
            assert len(set(part)) == len(part), 'twice in one pass'


@settings(max_examples=30)
@given(worlds, divisions, st.integers(0, 30))
def test_start_at_is_the_tail_of_a_plain_run_for_any_division(drawn, division, first):
    sizes, batch_size, world = drawn
    options = dict(keyed=True, **of(division, sizes))
    plain = take(ranks(sizes, batch_size, world, **options)[-1], first + 4)
    resumed = ranks(sizes, batch_size, world, **options)[-1]
    resumed.start_at(first, first + 4)
    assert list(resumed) == list(chain.from_iterable(plain[first:]))


def test_settings_name_a_division_only_where_it_is_not_by_size():
    """Checkpoints of before know of none."""
    assert {*ranks((4, 9), 4, 1)[0].settings} == {'seed', 'global_batch', 'sizes'}
    assert ranks((4, 9), 4, 1, temperature=2)[0].settings['temperature'] == 2
    shares = dict(source0=1, source1=3)
    assert ranks((4, 9), 4, 1, shares=shares)[0].settings['shares'] == shares


@pytest.mark.parametrize(
    ('division', 'message'),
    [
        (dict(temperature=0), 'sampler.temperature=0; needed: a number above 0'),
        (dict(temperature=float('nan')), 'temperature=nan; needed'),
        (dict(temperature='2'), "temperature='2'; needed"),
        (dict(temperature=2, shares=named((1, 1))), 'temperature and shares exclude each other'),
        (dict(shares=dict(source0=1)), 'sampler.shares: source1: each source needs a share'),
        (dict(shares=named((1, 1, 1))), 'source2: each source needs .* else: source0, source1'),
        (dict(shares=named((1, 0))), 'shares.source1=0; needed: a number above 0'),
        (dict(shares=named((1, float('inf')))), 'shares.source1=inf; needed'),
        (dict(shares=named((1, 'x'))), "shares.source1='x'; needed"),
    ],
)
def test_divisions_that_cannot_be(division, message):
    with pytest.raises(RefusedError, match=message):
        ranks((4, 9), 4, 1, **division)
