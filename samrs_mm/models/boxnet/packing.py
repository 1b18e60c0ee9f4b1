"""The last steps of a crop's pipeline: a click at its centre, and the arrays of a batch."""

import dataclasses
from typing import Any

import numpy as np
from mmseg.registry import TRANSFORMS

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.boxnet.inputs import network_input


@TRANSFORMS.register_module()
class CentreClick:
    """Adds a click on the box's centre to some crops with a box, as the prompt ``cp`` has it.

    It says object, whatever is there: so do users of that prompt.

    Args:
        share: Of the crops, in [0, 1].
    """

    def __init__(self, share: float = 0.15):
        if not 0 <= share <= 1:
            raise RefusedError(f'CentreClick: share={share!r}; needed: a number from 0 to 1')
        self.share = share

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``sample``, by ``rng``, where ``prompt`` is ``'box'``."""
        sample = results['sample']
        chosen = results['rng'].random() < self.share
        if chosen and results['prompt'] == 'box':
            middle = np.array([[sample.side / 2, sample.side / 2, 1.0]])
            clicks = np.concatenate([sample.clicks, middle])
            results['sample'] = dataclasses.replace(sample, clicks=clicks)
        return results


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
            kind=results['kind'],
            index=results['index'],
        )
