"""Crops of several datasets in one stream."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmseg.registry import DATASETS

from samrs_mm.core.errors import RefusedError


@DATASETS.register_module()
class MixedCrops:
    """At every place a crop of one of several datasets, by their shares.

    Args:
        datasets: Datasets or their configs, with crops of one side.
        shares: How often each is drawn.
        length: How many places; a shorter dataset starts over.
        seed: What is drawn where follows from it.

    Raises:
        RefusedError: Shares that can't be.
    """

    metainfo: dict[str, Any] = {}

    def __init__(
        self, datasets: Sequence[Any], shares: Sequence[float], length: int, seed: int = 0
    ):
        if len(shares) != len(datasets) or min(shares, default=0) < 0 or sum(shares) <= 0:
            raise RefusedError(
                f'MixedCrops: shares={list(shares)!r}; needed: {len(datasets)} numbers from 0'
            )
        built = (DATASETS.build(each) if isinstance(each, dict) else each for each in datasets)
        self.datasets = list(built)
        self._bounds = np.cumsum(shares) / np.sum(shares)
        self._length, self.seed = length, seed

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        """Return the crop of a place; it depends on the seeds and the place alone."""
        if not 0 <= index < self._length:
            raise IndexError(index)
        drawn = np.random.default_rng([self.seed, index]).random()
        chosen = self.datasets[int(np.searchsorted(self._bounds, drawn, 'right'))]
        return chosen[index % len(chosen)]
