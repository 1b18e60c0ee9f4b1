"""What a network sees of one object: a square crop, its box, clicks and the mask so far."""

from dataclasses import dataclass, field

import numpy as np


def no_clicks() -> np.ndarray:
    """Return ``(0, 3)`` float64."""
    return np.zeros((0, 3))


@dataclass(frozen=True, kw_only=True)
class CropSample:
    """A square crop of ``S`` pixels with what is known of its object.

    Args:
        image: ``(S, S, 3)`` uint8 RGB.
        valid: ``(S, S)`` bool; False where the picture has no data, and beyond it.
        reach: ``(2,)`` half the crop's sides in pixels of the picture, along its axes.
        half: ``(2,)`` half the box's sides in pixels of the picture, along the crop's axes; None
            without a box.
        centre: ``(2,)`` the box's centre from the crop's middle, in pixels of the picture along
            the crop's axes: 0, 0 but where the crop is a window at the object's border.
        oriented: Whether the box was turned with its object, and so fits tighter.
        clicks: ``(N, 3)`` x, y in pixels of the crop, the first covering 0 to 1, and 1 for the
            object or 0 for the background.
        previous: ``(S, S)`` float32, the object's probability by the step before, in [0, 1]; None
            without one.
    """

    image: np.ndarray
    valid: np.ndarray
    reach: np.ndarray
    half: np.ndarray | None = None
    centre: np.ndarray = field(default_factory=lambda: np.zeros(2))
    oriented: bool = False
    clicks: np.ndarray = field(default_factory=no_clicks)
    previous: np.ndarray | None = None

    @property
    def side(self) -> int:
        """S, in pixels."""
        return self.image.shape[0]


@dataclass(frozen=True, kw_only=True)
class DrawnCrop(CropSample):
    """A crop whose object is known.

    Args:
        target: ``(S, S)`` float32, the share of each pixel that the object covers, in [0, 1].
        kind: What the object is; empty where nothing says so.
    """

    target: np.ndarray
    kind: str = ''
