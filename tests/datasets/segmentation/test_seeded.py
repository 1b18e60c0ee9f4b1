import pickle
import random

import numpy as np
import torch

from samrs_mm.datasets.segmentation.seeded import SeededDataset, draw, seeded


def test_seeding_puts_all_generators_back():
    def draw():
        return random.random(), np.random.random(), torch.rand(1).item()

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = [draw(), draw()]
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    found = [draw()]
    with seeded(2**40 + 7):
        inside = draw()
    found.append(draw())
    assert found == expected
    with seeded(2**40 + 7):
        assert draw() == inside


class Noise:
    metainfo = dict(classes=('a',))

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return index, np.random.random()


def test_a_sample_follows_from_its_seed():
    get = Noise().__getitem__
    assert draw(get, (1, 5)) == draw(get, [1, 5]) != draw(get, (1, 6))
    assert draw(get, 1)[0] == 1
    assert draw(get, 1) != draw(get, 1)


def test_any_dataset_takes_seeds_and_answers_for_itself():
    dataset = SeededDataset(Noise())
    assert dataset[2, 7] == pickle.loads(pickle.dumps(dataset))[2, 7]
    assert dataset[2][0] == 2
    assert len(dataset) == 3
    assert dataset.metainfo is Noise.metainfo
    assert not hasattr(dataset, 'source_sizes')
