"""Samples whose augmentation follows from a seed that comes with their index."""

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from mmseg.registry import DATASETS


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's CPU generator inside the block, and restore them after.

    What is drawn inside depends on the seed alone, of which the lowest 32 bits count, whichever
    process draws it, and however many samples it drew before.
    """
    seed = int(seed) % 2**32
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPU too
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def draw(get: Callable[[int], Any], index: int | tuple[int, int]) -> Any:
    """Return the sample of an index; of ``(index, seed)`` all randomness follows from the seed."""
    if isinstance(index, tuple | list):
        index, seed = index
        with seeded(seed):
            return get(index)
    return get(index)


class TakesSeeds:
    """Mixin, first of the bases of a dataset: an index may come with a seed."""

    def __getitem__(self, index: int | tuple[int, int]) -> Any:
        """Return a sample, of an index or ``(index, seed of its augmentation)``."""
        return draw(super().__getitem__, index)


@DATASETS.register_module()
class SeededDataset:
    """Any dataset, of which an index may come with a seed, ``dataset[index, seed]``.

    ``ResumableIterLoop`` puts it around datasets that can't do so themselves.

    Args:
        dataset: The dataset or its config; whatever else is asked of this one, it answers.
    """

    def __init__(self, dataset: Any):
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset':  # not there yet while it is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int | tuple[int, int]) -> Any:
        return draw(self.dataset.__getitem__, index)
