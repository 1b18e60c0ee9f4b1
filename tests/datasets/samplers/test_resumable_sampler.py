from itertools import islice

from torch.utils.data import ConcatDataset

from samrs_mm.datasets.samplers import ResumableSampler


def test_one_dataset_is_one_stream_of_shuffles():
    sampler = ResumableSampler(range(10), 4, seed=0)
    assert len(sampler) == 10
    assert sampler.settings == dict(seed=0, global_batch=4, sizes={'dataset': 10})
    drawn = list(islice(sampler, 20))
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10] != drawn[10:]


def test_what_a_dataset_is_made_of_does_not_matter():
    parts = ConcatDataset([range(3), range(7)])
    one, other = (ResumableSampler(data, 4, seed=2, keyed=True) for data in (parts, range(10)))
    assert [one.batch(it) for it in range(9)] == [other.batch(it) for it in range(9)]
