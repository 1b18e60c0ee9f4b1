"""Places of a dataset one after the other, from any iteration on."""

import numpy as np
from mmseg.registry import DATA_SAMPLERS

from samrs_mm.datasets.samplers.resumable_sampler import ResumableSampler


@DATA_SAMPLERS.register_module()
class StreamSampler(ResumableSampler):
    """``ResumableSampler`` without shuffling: for what is drawn anew at every place.

    Iteration i of batches of B takes the places from i B on, so that a dataset may change on the
    way. After the last place it starts over.
    """

    def _order(self, source: int, turn: int, size: int) -> np.ndarray:
        return self._orders[source].setdefault(0, np.arange(size))
