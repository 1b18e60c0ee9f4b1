"""What datasets of crops share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import Compose
from mmseg.registry import TRANSFORMS

from samrs_mm.core.crop_sample import DrawnCrop
from samrs_mm.core.errors import RefusedError

PROMPTS = ('box', 'point', 'refine')
"""What a crop shows: an object with its box; an object at its middle, without a box; a part of an
object's border, with its box and a coarse mask of it."""

_PIPELINE = 1
"""Number that sets the pipeline's generator apart from the one that makes the crop."""


class CropDataset(ABC):
    """Crops that follow from a seed and their place.

    Args:
        pipeline: Transforms of a dict of ``sample``, ``prompt``, ``index`` and ``rng``.
        seed: From 0 on.

    Raises:
        RefusedError: A seed below 0.
    """

    metainfo: dict[str, Any] = {}

    def __init__(self, pipeline: Sequence[dict] = (), seed: int = 0):
        if not isinstance(seed, int) or seed < 0:
            raise RefusedError(f'{type(self).__name__}: seed={seed!r}; a whole number from 0')
        self.seed = seed
        self.pipeline = Compose([TRANSFORMS.build(dict(step)) for step in pipeline])

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def crop(self, index: int) -> tuple[DrawnCrop, str]:
        """Return a crop, and which of ``PROMPTS`` it shows."""

    def __getitem__(self, index: int) -> Any:
        """Return what the pipeline makes of a crop; it depends on seed and index alone."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        sample, prompt = self.crop(index)
        rng = np.random.default_rng([self.seed, index, _PIPELINE])
        return self.pipeline(dict(sample=sample, prompt=prompt, index=index, rng=rng))


def check_shares(shares: dict[str, float], owner: str) -> dict[str, float]:
    """Return the share of each prompt, of a sum of 1.

    Raises:
        RefusedError: A name that is not in ``PROMPTS``, or shares that can't be.
    """
    total = sum(shares.values())
    if not shares or set(shares) - set(PROMPTS) or min(shares.values()) < 0 or total <= 0:
        raise RefusedError(
            f'{owner}: prompts={shares!r}; needed: shares from 0 of {", ".join(PROMPTS)}'
        )
    return {name: share / total for name, share in shares.items()}
