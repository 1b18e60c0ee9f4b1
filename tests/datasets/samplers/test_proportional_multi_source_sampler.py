"""Batches that are divided among sources by their sizes, on any number of ranks."""

from collections import Counter
from itertools import chain, islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_cases import TRAIN, Sources, ranks, source_of, take, worlds
from torch.utils.data import ConcatDataset, DataLoader

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.samplers import ProportionalMultiSourceSampler, apportion

FULL = (17480, 11725, 64147)
FROZEN = [
    (0, 155606062), (2, 3413490481), (6, 2874538319), (8, 3803717270),
    (17, 935587302), (14, 3069161541),
]  # fmt: skip


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
