from itertools import islice

from samrs_mm.datasets.samplers import StreamSampler


def test_places_come_one_after_the_other_and_again():
    sampler = StreamSampler(range(10), 4, seed=0)
    assert list(islice(sampler, 13)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    assert sampler.batch(1) == [4, 5, 6, 7]


def test_it_starts_anywhere():
    sampler = StreamSampler(range(100), 8, seed=5)
    sampler.start_at(3, 5)
    assert list(sampler) == list(range(24, 40))
