"""A mask by clicks, one after another: what a review page calls."""

from dataclasses import dataclass

import numpy as np

from samrs_mm.core import boxes as box_ops
from samrs_mm.core.clicks import (
    box_of_mask,
    check_inside,
    checked_clicks,
    checked_corners,
    checked_mask,
    refuse_nothing,
)
from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.models.boxnet.asked import Asked, Picture
from samrs_mm.models.boxnet.maker import MaskMaker, ObjectMask
from samrs_mm.models.boxnet.points import mask_of_clicks


@dataclass(frozen=True)
class Clicked:
    """The answer to clicks, and what the next step starts from.

    Args:
        mask: ``(H, W)`` bool, of the image's size.
        score: Predicted IoU in [0, 1].
        stability: In [0, 1], see ``ObjectMask``.
        found: What the network said; ``click`` takes it up as ``previous``.
    """

    mask: np.ndarray
    score: float
    stability: float
    found: ObjectMask


def click(
    maker: MaskMaker,
    picture: Picture,
    clicks: np.ndarray,
    box: np.ndarray | None = None,
    previous: Clicked | np.ndarray | None = None,
) -> Clicked:
    """Make the mask of an object by clicks, a box, and the mask of the step before.

    ::

        first = click(maker, picture, [[40, 52, 1]])
        better = click(maker, picture, [[40, 52, 1], [61, 50, 0]], previous=first)

    Args:
        maker: Makes the masks.
        picture: The whole picture.
        clicks: ``(N, 3)`` all clicks so far: x, y in pixels, and 1 for the object or 0 for the
            background; may be none where there is a box or a mask.
        box: ``(4,)`` x0, y0, x1, y1, or the corners ``(4, 2)`` of an oriented box, in pixels; or
            None. Where the object is clicked beyond it, it grows.
        previous: The answer before, or any mask ``(H, W)`` bool to start from; or None.

    Raises:
        ValueError: Nothing is asked, or something is of another shape, not finite, empty, or
            outside the picture; says what.
    """
    clicks, corners = checked_clicks(clicks), None if box is None else checked_corners(box)
    previous = _checked_previous(picture, previous)
    check_inside(picture.size, clicks, corners)
    around, oriented = corners, box is not None and np.shape(box) == (4, 2)
    if corners is None and previous is not None and (found := _box_of(previous)) is not None:
        around = box_ops.corners(found[None])[0]
    refuse_nothing(clicks, around)
    if around is None:
        return _answer(picture, mask_of_clicks(maker, picture, clicks))
    frame, half = CropFrame.around(_grown(around, clicks))
    asked = Asked(
        frame,
        None if corners is None else half,
        oriented,
        clicks=clicks,
        previous=None if previous is None else _chances(previous, frame, maker.side),
    )
    return _answer(picture, next(iter(maker.make(picture, [asked]))))


def _grown(corners: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    """Return a box ``(4, 2)``, its sides moved outwards where the object is clicked beyond them.

    They move by twice the distance: the click is taken for the middle of what the box lacks.
    """
    frame, half = CropFrame.around(corners)
    objects = clicks[clicks[:, 2] > 0, :2]
    places = np.concatenate([(objects - frame.centre) @ frame.axes.T, np.zeros((1, 2))])
    low, high = (np.maximum(most - half, 0) for most in (-places.min(axis=0), places.max(axis=0)))
    if not (low.any() or high.any()):
        return corners
    x0, y0, x1, y1 = np.concatenate([-half - 2 * low, half + 2 * high])
    return frame.centre + np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) @ frame.axes


def _checked_previous(
    picture: Picture, previous: Clicked | np.ndarray | None
) -> Clicked | np.ndarray | None:
    """Return the mask before, of the picture's size."""
    if previous is None:
        return None
    mask = checked_mask(picture.size, previous.mask if isinstance(previous, Clicked) else previous)
    return previous if isinstance(previous, Clicked) else mask


def _box_of(previous: Clicked | np.ndarray) -> np.ndarray | None:
    """Return x0, y0, x1, y1 of the mask before; None of an empty one."""
    return previous.found.box() if isinstance(previous, Clicked) else box_of_mask(previous)


def _chances(previous: Clicked | np.ndarray, frame: CropFrame, side: int) -> np.ndarray:
    """Return the object's probability by the mask before in a crop, ``(side, side)`` float32."""
    if isinstance(previous, Clicked):
        found = previous.found
        return 1 / (1 + np.exp(-found.frame.seen_from(found.logits, frame, (side, side))))
    return chances_of(previous, frame, side)


def chances_of(mask: np.ndarray, frame: CropFrame, side: int) -> np.ndarray:
    """Return a mask ``(H, W)`` bool in a crop as probabilities ``(side, side)`` float32."""
    return frame.cut(mask.astype(np.uint8) * np.uint8(255), side).astype(np.float32) / 255


def _answer(picture: Picture, found: ObjectMask) -> Clicked:
    mask = np.zeros(picture.size, bool)
    y, x = found.corner
    mask[y : y + found.mask.shape[0], x : x + found.mask.shape[1]] = found.mask
    if picture.valid is not None:
        mask &= picture.valid
    return Clicked(mask, found.score, found.stability, found)
