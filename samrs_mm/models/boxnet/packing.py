"""The last steps of a crop's pipeline: other prompts than its box, and the arrays of a batch."""

import dataclasses
from typing import Any

import cv2
import numpy as np
from mmseg.registry import TRANSFORMS

from samrs_mm.core.crop_sample import DrawnCrop
from samrs_mm.core.errors import RefusedError
from samrs_mm.models.boxnet.inputs import network_input


class _SomeBoxes:
    """Changes a share of the crops with a box.

    Args:
        share: In [0, 1].
    """

    def __init__(self, share: float):
        if not 0 <= share <= 1:
            raise RefusedError(
                f'{type(self).__name__}: share={share!r}; needed: a number from 0 to 1'
            )
        self.share = share

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``sample``, by ``rng``, where ``prompt`` is ``'box'``."""
        rng = results['rng']
        if rng.random() < self.share and results['prompt'] == 'box':
            results['sample'] = self.changed(results['sample'], rng)
        return results

    def changed(self, sample: DrawnCrop, rng: np.random.Generator) -> DrawnCrop:
        """Return the crop with another prompt."""
        raise NotImplementedError


@TRANSFORMS.register_module()
class CentreClick(_SomeBoxes):
    """Adds a click on the box's centre, as ``cp`` has it.

    It says object, whatever is there: so do users of that prompt.
    """

    def changed(self, sample: DrawnCrop, rng: np.random.Generator) -> DrawnCrop:
        """Return the crop with the click."""
        return _clicked(sample, sample.side / 2, sample.side / 2)


@TRANSFORMS.register_module()
class BoxAsMask(_SomeBoxes):
    """Makes the inside of the box the mask so far, as mask prompts have it."""

    def changed(self, sample: DrawnCrop, rng: np.random.Generator) -> DrawnCrop:
        """Return the crop with the mask."""
        assert sample.half is not None
        places = ((np.arange(sample.side) + 0.5) * 2 / sample.side - 1)[:, None] * sample.reach
        inside = np.abs(places - sample.centre) <= sample.half
        mask = inside[:, 1, None] & inside[:, 0]
        return dataclasses.replace(sample, previous=mask.astype(np.float32))


@TRANSFORMS.register_module()
class ClickForBox(_SomeBoxes):
    """Takes the box away and clicks on the object instead, well inside of it."""

    def changed(self, sample: DrawnCrop, rng: np.random.Generator) -> DrawnCrop:
        """Return the crop with the click; as it was where the object is nowhere to be clicked."""
        inside = np.pad((sample.target > 0.5).astype(np.uint8), 1)
        depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
        if not depth.any():
            return sample
        places = np.argwhere(depth >= depth.max() / 2)
        row, column = places[rng.integers(len(places))].tolist()
        without = dataclasses.replace(sample, half=None, oriented=False)
        return _clicked(without, column + 0.5, row + 0.5)


def _clicked(sample: DrawnCrop, x: float, y: float) -> DrawnCrop:
    clicks = np.concatenate([sample.clicks, [[x, y, 1.0]]])
    return dataclasses.replace(sample, clicks=clicks)


@TRANSFORMS.register_module()
class PackCrop:
    """Makes the arrays that ``BoxNetTrainer`` takes of a crop."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return ``inputs``, ``target``, ``prompt``, ``kind`` and ``index``."""
        sample = results['sample']
        target = np.where(sample.valid, sample.target, 0).astype(np.float32)
        return dict(
            inputs=network_input(sample),
            target=target,
            prompt=results['prompt'],
            kind=sample.kind,
            index=results['index'],
        )
