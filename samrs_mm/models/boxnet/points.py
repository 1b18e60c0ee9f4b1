"""Objects of which nothing but points is known: which crop shows them whole."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from samrs_mm.core import boxes as box_ops
from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.models.boxnet.asked import Asked, Picture
from samrs_mm.models.boxnet.maker import BATCH, MaskMaker, ObjectMask, tidied

REACHES = tuple(8 * 2 ** (step / 2) for step in range(11))
"""Half the sides of the crops that are tried around a point, in pixels of the picture."""

FIRST = (1, 4, 7, 10)
"""Places in ``REACHES`` that are tried first; every other one is beside one of them."""

_RIM_WEIGHT = 2.0
_SURROUNDED = 2  # so many of the likeliest have both sizes beside them tried


@dataclass(frozen=True)
class _Look:
    """A crop around a point, the logits ``(S, S)`` of its mask, and how likely that is whole."""

    asked: Asked
    logits: np.ndarray
    likely: float


def mask_of_clicks(maker: MaskMaker, picture: Picture, clicks: np.ndarray) -> ObjectMask:
    """Return the mask of what is clicked, one object click at least.

    Crops of four sizes are tried around the object's clicks, then of sizes beside them, the
    likeliest first, until those beside the two likeliest of all have been tried. A mask is as
    likely as its score, less twice the share of the crop's rim that it covers (it goes on there).
    The likeliest are made again in crops around their own boxes; the one that then has the best
    score is returned. That takes three passes, or four.

    Args:
        maker: Makes the masks.
        picture: The whole picture.
        clicks: ``(N, 3)`` x, y in pixels of the picture, and 1 for the object or 0.
    """
    looks = _look(maker, picture, clicks, FIRST)
    while _untried(looks, (ranked := _likeliest(looks))[:_SURROUNDED]):
        looks |= _look(maker, picture, clicks, _untried(looks, ranked)[:BATCH])
    again = [_around_own_box(looks[step]) for step in ranked[:BATCH]]
    logits, scores = maker.run([each.sample(picture, maker.side) for each in again])
    chosen = int(np.argmax(scores))
    return maker.finished(picture, again[chosen], logits[chosen], float(scores[chosen]))


def _look(
    maker: MaskMaker, picture: Picture, clicks: np.ndarray, steps: Sequence[int]
) -> dict[int, _Look]:
    """Return what is seen around the clicks as far as places in ``REACHES`` say, by place."""
    objects = clicks[clicks[:, 2] > 0, :2]
    middle = (objects.min(axis=0) + objects.max(axis=0)) / 2
    apart = np.abs(objects - middle).max()
    asked = [Asked.of_point(middle, REACHES[step] + apart, clicks) for step in steps]
    logits, scores = maker.run([each.sample(picture, maker.side) for each in asked])
    likely = scores - _RIM_WEIGHT * np.array([_share_of_rim(each) for each in logits])
    return dict(zip(steps, map(_Look, asked, logits, likely.tolist()), strict=True))


def _likeliest(looks: dict[int, _Look]) -> list[int]:
    """Return the places of all looks, the likeliest first."""
    return sorted(looks, key=lambda step: -looks[step].likely)


def _untried(looks: dict[int, _Look], steps: Sequence[int]) -> list[int]:
    """Return the places beside some that have not been looked at, in the order of these."""
    beside = dict.fromkeys(step for tried in steps for step in (tried - 1, tried + 1))
    return [step for step in beside if step not in looks and 0 <= step < len(REACHES)]


def _around_own_box(look: _Look) -> Asked:
    """Return the same clicks in the crop around the box of their mask; in their own without one."""
    to_crop, clicks = look.asked.frame.to_crop(len(look.logits)), look.asked.clicks.copy()
    clicks[:, :2] = clicks[:, :2] @ to_crop[:, :2].T + to_crop[:, 2]
    box = _box_of(tidied(look.logits > 0, clicks=clicks), look.asked.frame)
    if box is None:
        return look.asked
    frame, _ = CropFrame.around(box_ops.corners(box[None])[0])
    return Asked(frame, clicks=look.asked.clicks)


def _box_of(mask: np.ndarray, frame: CropFrame) -> np.ndarray | None:
    """Return x0, y0, x1, y1 in pixels of the picture of a mask in an upright crop; None of none."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return None
    low = frame.centre - frame.reach
    corners = np.array([[x, y], [x + width, y + height]]) * frame.shrink(len(mask)) + low
    return corners.ravel()


def _share_of_rim(logits: np.ndarray) -> float:
    rim = (logits[0], logits[-1], logits[:, 0], logits[:, -1])
    return float((np.concatenate(rim) > 0).mean())
