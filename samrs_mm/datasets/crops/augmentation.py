"""Other views of a crop: mirrored, and in other colours."""

import dataclasses
from typing import Any

import numpy as np
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class FlipCrop:
    """Mirrors crops along x, y, both or neither, each as likely."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``sample``, by ``rng``."""
        sample, flips = results['sample'], results['rng'].random(2) < 0.5
        for axis in np.flatnonzero(flips).tolist():  # x is axis 1 of arrays
            turned = {
                name: np.ascontiguousarray(np.flip(getattr(sample, name), 1 - axis))
                for name in ('image', 'valid', 'target', 'previous')
                if getattr(sample, name) is not None
            }
            clicks, centre = sample.clicks.copy(), sample.centre.copy()
            clicks[:, axis] = sample.side - clicks[:, axis]
            centre[axis] *= -1
            sample = dataclasses.replace(sample, clicks=clicks, centre=centre, **turned)
        return results | dict(sample=sample)


@TRANSFORMS.register_module()
class RecolourCrop:
    """Changes brightness and contrast of a crop, of each channel a little, and their order.

    Args:
        strength: Of the changes; 0 for none but the order.
    """

    def __init__(self, strength: float = 0.15):
        self.strength = strength

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``sample``, by ``rng``."""
        rng, sample = results['rng'], results['sample']
        image = sample.image[..., rng.permutation(3)].astype(np.float32)
        gain = 1 + self.strength * (rng.normal(0, 1) + rng.normal(0, 0.5, 3))
        offset = 100 * self.strength * (rng.normal(0, 1) + rng.normal(0, 0.5, 3))
        image = (image - 110) * gain.astype(np.float32) + 110 + offset.astype(np.float32)
        image = np.clip(image, 0, 255).astype(np.uint8)
        return results | dict(sample=dataclasses.replace(sample, image=image))
