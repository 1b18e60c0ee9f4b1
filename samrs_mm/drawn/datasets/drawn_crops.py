"""Drawn crops by number, each of them another."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmseg.registry import DATASETS

from samrs_mm.core.crop_sample import DrawnCrop
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.crops.base import CropDataset, check_shares
from samrs_mm.drawn.crops import CropDrawer

USUAL = dict(box=0.75, point=0.1, refine=0.15)


@DATASETS.register_module()
class DrawnCrops(CropDataset):
    """``length`` drawn crops; nothing is read but the textures.

    Args:
        length: How many. An uninterrupted run of I batches of B takes I B of them, in order, with
            a ``StreamSampler``.
        sides: Pairs of a place and a side in pixels: from that place on crops have it. The first
            place is 0, the others are multiples of the batch.
        prompts: Share of crops of each of ``PROMPTS``.
        seed: From 0 on. Other seeds have other crops, and other drawn textures.
        pipeline: See ``CropDataset``.
        drawing: Options of ``CropDrawer`` but its seed, such as ``textures``.

    Raises:
        RefusedError: A value that can't be.
    """

    def __init__(
        self,
        length: int,
        sides: Sequence[tuple[int, int]] = ((0, 96),),
        prompts: Mapping[str, float] = USUAL,
        seed: int = 0,
        pipeline: Sequence[dict] = (),
        drawing: Mapping[str, Any] = {},
    ):
        super().__init__(pipeline, seed)
        if not isinstance(length, int) or length < 1:
            raise RefusedError(f'DrawnCrops: length={length!r}; needed: a whole number from 1')
        places = [place for place, _ in sides]
        if not places or places[0] != 0 or places != sorted(set(places)):
            raise RefusedError(
                f'DrawnCrops: sides={sides!r}; needed: pairs of a place and a side in pixels, the '
                'first place 0 and the others ascending'
            )
        self._length, self._places = length, np.array(places)
        self._sides = [side for _, side in sides]
        self._shares = check_shares(dict(prompts), 'DrawnCrops')
        try:
            self.drawer = CropDrawer(seed, **drawing)
        except (TypeError, ValueError) as error:
            raise RefusedError(f'DrawnCrops: drawing={dict(drawing)!r}: {error}') from error

    def __len__(self) -> int:
        return self._length

    def crop(self, index: int) -> tuple[DrawnCrop, str]:
        """Draw a crop; it depends on seed and index, and its size on ``sides``."""
        rng = np.random.default_rng([self.seed, index])
        prompt: Any = rng.choice(list(self._shares), p=list(self._shares.values())).item()
        side = self._sides[int(np.searchsorted(self._places, index, 'right')) - 1]
        return self.drawer.draw(rng, side, prompt), prompt
