"""Crops as the network takes them: colours by the crop's own spread, the box, clicks, the mask."""

import cv2
import numpy as np

from samrs_mm.core.crop_sample import CropSample

CHANNELS = (
    'red', 'green', 'blue', 'grey', 'across_x', 'across_y', 'oriented', 'aspect', 'size', 'boxed',
    'valid', 'object_clicks', 'background_clicks', 'previous',
)  # fmt: skip
"""What the channels of the input hold, in order; see ``network_input``."""
BOXED, VALID, OBJECT_CLICKS, BACKGROUND_CLICKS, PREVIOUS = range(9, 14)

CLICK_RADIUS = 2.5
"""Of the discs of clicks, in pixels of the crop."""

_LEAST_SPREAD = 4.0
_LEAST_HALF = 0.5
_FARTHEST = 4.0
_USUAL_LENGTH = 40.0


def network_input(sample: CropSample) -> np.ndarray:
    """Return a crop as the network's input ``(14, S, S)`` float32, by ``CHANNELS``.

    - ``red``, ``green``, ``blue``: from the mean of the crop's valid pixels, over their standard
      deviation (the mean of the three, 4 at least); 0 where not valid.
    - ``grey``: the mean of the three, -1 for black to 1 for white; 0 where not valid.
    - ``across_x``, ``across_y``: 1 on the box's middle line, 0 on its sides, less beyond, to -4;
      0 without a box.
    - ``oriented``, ``boxed``: 1 or 0 all over.
    - ``aspect``, ``size``: logarithms of the box's sides' ratio and of its longer side over 40 px,
      halved; those of the crop without a box. All over.
    - ``valid``: 1 or 0.
    - ``object_clicks``, ``background_clicks``: see ``click_discs``.
    - ``previous``: the mask so far, -1 to 1; 0 all over without one.
    """
    side = sample.side
    out = np.zeros((len(CHANNELS), side, side), np.float32)
    _enter_colours(out, sample.image, sample.valid)
    half = sample.reach if sample.half is None else np.maximum(sample.half, _LEAST_HALF)
    if sample.half is not None:
        places = ((np.arange(side) + 0.5) * 2 / side - 1)[:, None] * sample.reach
        across = np.maximum(1 - np.abs(places - sample.centre) / half, -_FARTHEST)
        out[4], out[5] = across[:, 0], across[:, 1, None]
    out[6] = sample.oriented
    out[7] = np.log(half[0] / half[1])
    out[8] = np.log(2 * half[0] / _USUAL_LENGTH) / 2
    out[BOXED] = sample.half is not None
    out[VALID] = sample.valid
    if len(sample.clicks):
        out[OBJECT_CLICKS : BACKGROUND_CLICKS + 1] = click_discs(sample.clicks, side)
    if sample.previous is not None:
        out[PREVIOUS] = 2 * sample.previous - 1
    return out


def click_discs(clicks: np.ndarray, side: int) -> np.ndarray:
    """Return clicks as soft discs ``(2, side, side)`` float32 in [0, 1]: object, background.

    Args:
        clicks: ``(N, 3)`` x, y in pixels of the crop, and 1 for the object or 0; see
            ``CropSample``. Those beyond the crop are drawn as far as they reach into it.
        side: Of the crop.
    """
    out = np.zeros((2, side, side), np.float32)
    centres = np.arange(side) + 0.5
    for x, y, of_object in np.asarray(clicks, np.float64):
        distance = np.hypot(centres - x, centres[:, None] - y)
        disc = np.clip(CLICK_RADIUS + 0.5 - distance, 0, 1, dtype=np.float32)
        plane = out[0 if of_object else 1]
        np.maximum(plane, disc, out=plane)
    return out


def _enter_colours(out: np.ndarray, image: np.ndarray, valid: np.ndarray) -> None:
    """Fill the first four channels from an image ``(S, S, 3)`` uint8 and its valid pixels."""
    if not valid.any():
        return
    whole = bool(valid.all())
    mask = None if whole else valid.view(np.uint8)
    mean, deviation = cv2.meanStdDev(np.ascontiguousarray(image), mask=mask)
    spread = max(float(deviation.mean()), _LEAST_SPREAD)
    planes = image.transpose(2, 0, 1)
    out[:3] = (planes - mean[:, :, None].astype(np.float32)) / np.float32(spread)
    out[3] = planes.astype(np.float32).sum(axis=0) / (3 * 128) - 1
    if not whole:
        out[:4] *= valid
