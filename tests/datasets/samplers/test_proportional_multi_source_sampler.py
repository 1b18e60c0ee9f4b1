from collections import Counter
from itertools import chain, islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import ConcatDataset, DataLoader

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.samplers import ProportionalMultiSourceSampler, apportion
from samrs_mm.datasets.samplers import proportional_multi_source_sampler as module
from samrs_mm.datasets.samplers.proportional_multi_source_sampler import tempered, whole_shares

FULL = (17480, 11725, 64147)
TRAIN = (16606, 11139, 60940)
FROZEN = [
    (0, 155606062), (2, 3413490481), (6, 2874538319), (8, 3803717270),
    (17, 935587302), (14, 3069161541),
]  # fmt: skip


class Sources:
    """Stands in for a concatenated dataset; an item tells what it was asked for."""

    def __init__(self, *sizes):
        self.source_sizes = {f'source{i}': size for i, size in enumerate(sizes)}

    def __len__(self):
        return sum(self.source_sizes.values())

    def __getitem__(self, key):
        return key


def ranks(sizes, batch_size, world, **options):
    """One sampler for each simulated rank."""
    made = []
    with pytest.MonkeyPatch.context() as patch:
        for rank in range(world):
            patch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, world))
            made.append(
                ProportionalMultiSourceSampler(Sources(*sizes), batch_size, **{'seed': 0} | options)
            )
    return made


def take(sampler, batches):
    """The first batches of a rank."""
    stream = iter(sampler)
    return [list(islice(stream, sampler.batch_size)) for _ in range(batches)]


def source_of(index, sizes):
    source = 0
    while index >= sizes[source]:
        index -= sizes[source]
        source += 1
    return source


worlds = st.tuples(
    st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 9), st.integers(1, 8)
).filter(lambda drawn: drawn[1] * drawn[2] >= len(drawn[0]))


@pytest.mark.parametrize('sizes', [FULL, TRAIN])
@pytest.mark.parametrize(
    ('batch', 'shares'), [(96, [18, 12, 66]), (12, [2, 2, 8]), (8, [2, 1, 5]), (3, [1, 1, 1])]
)
def test_shares_of_the_paper(sizes, batch, shares):
    assert apportion(sizes, batch) == shares


@pytest.mark.parametrize(
    ('batch', 'world', 'shares'),
    [
        (batch, world, shares)
        for batch, shares in ((96, [18, 12, 66]), (12, [2, 2, 8]), (8, [2, 1, 5]))
        for world in (1, 2, 4, 8)
        if batch % world == 0
    ],
)
def test_what_ranks_get(batch, world, shares):
    hands = [take(sampler, 1)[0] for sampler in ranks(TRAIN, batch // world, world)]
    counts = [[sum(source_of(i, TRAIN) == s for i in hand) for s in range(3)] for hand in hands]
    assert [sum(column) for column in zip(*counts, strict=True)] == shares
    assert [sum(row) for row in counts] == [batch // world] * world
    assert all(max(column) - min(column) <= 1 for column in zip(*counts, strict=True))
    print(f'B={batch} on {world} ranks: {counts}')


@pytest.mark.parametrize(
    ('sizes', 'batch', 'shares'),
    [
        ((1, 1, 1000), 4, [1, 1, 2]),  # two below one share: they get it, the large one the rest
        ((5, 5), 3, [2, 1]),  # equal remainders: the earlier source
        ((1, 10, 10, 10**6), 4, [1, 1, 1, 1]),
        ((7,), 5, [5]),
        ((6, 3, 1), 5, [3, 1, 1]),
    ],
)
def test_shares_at_the_edges(sizes, batch, shares):
    assert apportion(sizes, batch) == shares


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8), st.integers(0, 300))
def test_shares_sum_up_and_stay_near_proportion(sizes, extra):
    batch = len(sizes) + extra
    shares = apportion(sizes, batch)
    assert sum(shares) == batch
    assert min(shares) >= 1
    for small, large in pairwise(sorted(zip(sizes, shares, strict=True))):
        assert small[0] == large[0] or small[1] <= large[1]
    exact = [batch * size / sum(sizes) for size in sizes]
    if min(exact) >= 1:
        assert all(abs(s - e) < 1 for s, e in zip(shares, exact, strict=True))


@settings(max_examples=60)
@given(worlds, st.integers(0, 2**32))
def test_global_batches(drawn, seed):
    sizes, batch_size, world = drawn
    samplers = ranks(sizes, batch_size, world, seed=seed)
    shares = apportion(sizes, batch_size * world)
    hands = [take(sampler, 6) for sampler in samplers]
    streams = [[] for _ in sizes]
    for iteration in range(6):
        counts = [Counter(source_of(i, sizes) for i in hand[iteration]) for hand in hands]
        assert [sum(c[s] for c in counts) for s in range(len(sizes))] == shares
        for source in range(len(sizes)):
            of_ranks = [count[source] for count in counts]
            assert max(of_ranks) - min(of_ranks) <= 1
        whole = samplers[0].batch(iteration)
        # the same as on one rank, in its order: shared out, nothing twice, nothing left over
        assert [hands[i % world][iteration][i // world] for i in range(len(whole))] == whole
        assert whole == ranks(sizes, batch_size * world, 1, seed=seed)[0].batch(iteration)
        for index in whole:
            streams[source_of(index, sizes)].append(index)
    for stream, size in zip(streams, sizes, strict=True):
        for start in range(0, len(stream), size):
            part = stream[start : start + size]
            assert len(set(part)) == len(part), 'twice in one pass'


@settings(max_examples=40)
@given(worlds, st.integers(0, 30), st.booleans())
def test_start_at_is_the_tail_of_a_plain_run(drawn, first, keyed):
    sizes, batch_size, world = drawn
    sampler = ranks(sizes, batch_size, world, keyed=keyed)[-1]
    plain = take(sampler, first + 4)
    assert take(sampler, first + 4) == plain, 'iterated again'
    resumed = ranks(sizes, batch_size, world, keyed=keyed)[-1]
    resumed.start_at(first, first + 4)
    tail = list(chain.from_iterable(plain[first:]))
    assert list(resumed) == tail
    assert list(resumed) == tail, 'iterated again'
    resumed.start_at(0)
    assert take(resumed, 4) == plain[:4]


def test_an_interleaved_iterator_disturbs_nothing():
    sampler = ranks((3, 20), 4, 1)[0]
    plain = take(sampler, 40)
    first = iter(sampler)
    seen = []
    for number in range(40):
        seen.append(list(islice(first, 4)))
        sampler.batch(39 - number)
    assert seen == plain


def test_passes_differ_and_each_is_complete():
    sampler = ranks((8,), 8, 1)[0]
    passes = take(sampler, 3)
    assert all(sorted(one) == list(range(8)) for one in passes)
    assert passes[0] != passes[1] != passes[2]


def test_a_batch_of_several_passes_over_a_tiny_source():
    (whole,) = take(ranks((2, 2), 20, 1)[0], 1)
    assert Counter(whole) == {0: 5, 1: 5, 2: 5, 3: 5}


def test_the_seed_decides():
    streams = {tuple(ranks(TRAIN, 12, 1, seed=seed)[0].batch(0)) for seed in range(4)}
    assert len(streams) == 4


def test_the_sequence_is_frozen():
    """A resumed run, or one on another numpy, must go on with the same samples."""
    assert ranks((5, 3, 10), 6, 1, seed=7, keyed=True)[0].batch(2) == FROZEN


def test_keyed_draws_have_seeds_of_their_own_that_depend_on_no_rank():
    one = ranks(TRAIN, 96, 1, keyed=True)[0]
    eight = ranks(TRAIN, 12, 8, keyed=True)
    assert one.batch(7) == eight[3].batch(7)
    assert [index for index, _ in one.batch(7)] == ranks(TRAIN, 96, 1)[0].batch(7)
    seeds = [seed for it in range(50) for _, seed in one.batch(it)]
    assert len(set(seeds)) == len(seeds)
    assert all(isinstance(seed, int) and 0 <= seed < 2**32 for seed in seeds)


def test_under_a_loader():
    sampler = ranks((5, 9), 4, 1, keyed=True)[0]
    sampler.start_at(3, 6)
    loader = DataLoader(Sources(5, 9), 4, sampler=sampler, collate_fn=list)
    assert list(loader) == [sampler.batch(it) for it in (3, 4, 5)]


class Named(list):
    """Stands in for a dataset with a source in its metainfo."""

    def __init__(self, size, **metainfo):
        super().__init__(range(size))
        self.metainfo = metainfo


@pytest.mark.parametrize(
    ('names', 'expected'),
    [(['a', 'b'], ['a', 'b']), (['a', 'a'], ['0', '1']), (['a', None], ['0', '1'])],
)
def test_each_member_of_a_concat_dataset_is_a_source(names, expected):
    parts = [Named(5, source=names[0]), Named(9, source=names[1])]
    sampler = ProportionalMultiSourceSampler(ConcatDataset(parts), 4, seed=3, keyed=True)
    assert sampler.sizes == dict(zip(expected, (5, 9), strict=True))
    assert [sampler.batch(it) for it in range(9)] == [
        ranks((5, 9), 4, 1, seed=3, keyed=True)[0].batch(it) for it in range(9)
    ]


def test_a_dataset_without_sources_is_refused():
    for dataset in (range(10), Named(10)):
        with pytest.raises(
            RefusedError, match=r"(range|Named) has no sources; .*'ResumableSampler'"
        ):
            ProportionalMultiSourceSampler(dataset, 4)
    sampler = ProportionalMultiSourceSampler(Named(10, source='a'), 4, seed=0)
    assert sampler.sizes == {'dataset': 10}


def test_the_batch_size_can_be_set_later():
    late = ProportionalMultiSourceSampler(Sources(5, 9), seed=0)
    with pytest.raises(RefusedError, match='batch_size is not set; ResumableIterLoop sets it'):
        next(iter(late))
    late.set_batch_size(4)
    assert [late.batch(it) for it in range(5)] == [
        ranks((5, 9), 4, 1)[0].batch(it) for it in range(5)
    ]
    with pytest.raises(RefusedError, match='batch_size 1 on 1 ranks'):
        late.set_batch_size(1)


def test_a_random_seed_is_kept():
    sampler = ProportionalMultiSourceSampler(Sources(4, 4), 2)
    assert take(sampler, 3) == take(sampler, 3)
    assert sampler.settings['seed'] == sampler.seed


@pytest.mark.parametrize(
    ('sizes', 'batch_size', 'world', 'message'),
    [
        (TRAIN, 1, 2, r'batch_size 1 on 2 ranks makes a global batch of 2, .* of 3 sources '
            r'\(source0, source1, source2\); use a batch_size of at least 2'),
        ((4, 4), 0, 2, 'batch_size 0 on 2 ranks .* at least 1'),
        ((4, 0), 8, 1, r"source source1: holds no image to draw \(sizes: \{'source0': 4, "),
    ],
)  # fmt: skip
def test_impossible_requests(sizes, batch_size, world, message):
    with pytest.raises(RefusedError, match=message):
        ranks(sizes, batch_size, world)


def test_a_negative_seed():
    with pytest.raises(RefusedError, match='seed -1: must be 0 or more'):
        ranks((4,), 1, 1, seed=-1)


@pytest.mark.parametrize(('sizes', 'batch'), [((3, 3), 1), ((3, 0), 4)])
def test_apportion_refuses(sizes, batch):
    with pytest.raises(RefusedError, match=f'a batch of {batch} cannot be divided among'):
        apportion(sizes, batch)


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
