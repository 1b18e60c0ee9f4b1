"""Sources that samplers draw from, and what simulated ranks get of them."""

from itertools import islice

import pytest
from hypothesis import strategies as st

from samrs_mm.datasets.samplers import ProportionalMultiSourceSampler
from samrs_mm.datasets.samplers import proportional_multi_source_sampler as module

TRAIN = (16606, 11139, 60940)


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
