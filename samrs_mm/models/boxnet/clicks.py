"""A mask by clicks, one after another: what a review page calls."""

from dataclasses import dataclass

import cv2
import numpy as np

from samrs_mm.core import boxes as box_ops
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
            None.
        previous: The answer before, or any mask ``(H, W)`` bool to start from; or None.

    Raises:
        ValueError: Nothing is asked, or something is of another shape, not finite, empty, or
            outside the picture; says what.
    """
    clicks, corners = _checked_clicks(clicks), None if box is None else _checked_corners(box)
    previous = _checked_previous(picture, previous)
    _check_inside(picture, clicks, corners)
    around, oriented = corners, box is not None and np.shape(box) == (4, 2)
    if corners is None and previous is not None:
        around = _around(_box_of(previous), clicks)
    if around is None:
        if not (clicks[:, 2] > 0).any():
            raise ValueError('clicks: with no box and no mask one on the object is needed')
        return _answer(picture, mask_of_clicks(maker, picture, clicks))
    frame, half = CropFrame.around(around)
    asked = Asked(
        frame,
        None if corners is None else half,
        oriented,
        clicks=clicks,
        previous=None if previous is None else _chances(previous, frame, maker.side),
    )
    return _answer(picture, next(iter(maker.make(picture, [asked]))))


def _checked_clicks(clicks: np.ndarray) -> np.ndarray:
    """Return ``(N, 3)`` float64."""
    problem = f'clicks: rows of x, y and 1 or 0 are needed, not {clicks!r}'
    try:
        found = np.asarray(clicks, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(problem) from error
    found = found.reshape(0, 3) if found.size == 0 else found
    if found.ndim != 2 or found.shape[1] != 3 or not np.isfinite(found).all():
        raise ValueError(problem)
    if not np.isin(found[:, 2], (0, 1)).all():
        raise ValueError(f'clicks: 1 for the object or 0, not {found[:, 2].tolist()}')
    return found


def _checked_corners(box: np.ndarray) -> np.ndarray:
    """Return the corners ``(4, 2)`` of a box, upright or not."""
    found = np.asarray(box, np.float64)
    if found.shape not in ((4,), (4, 2)) or not np.isfinite(found).all():
        raise ValueError(f'box: x0, y0, x1, y1 or four corners are needed, not {found.tolist()}')
    if found.shape == (4,) and not (found[:2] < found[2:]).all():
        raise ValueError(f'box: {found.tolist()} is empty; needed: x0 < x1 and y0 < y1')
    return found if found.shape == (4, 2) else box_ops.corners(found[None])[0]


def _checked_previous(
    picture: Picture, previous: Clicked | np.ndarray | None
) -> Clicked | np.ndarray | None:
    """Return the mask before, of the picture's size."""
    if previous is None:
        return None
    mask = previous.mask if isinstance(previous, Clicked) else np.asarray(previous)
    if mask.shape != picture.size or mask.dtype != bool:
        size = ' x '.join(map(str, mask.shape))
        raise ValueError(f'previous: {size} {mask.dtype}, not {picture.size} bool as the image')
    return previous if isinstance(previous, Clicked) else mask


def _check_inside(picture: Picture, clicks: np.ndarray, corners: np.ndarray | None) -> None:
    """Refuse clicks beyond the picture, and a box without a pixel of it."""
    size = np.array(picture.size[::-1])
    beyond = ((clicks[:, :2] < 0) | (clicks[:, :2] > size)).any(axis=1)
    place = f'the {size[0]} x {size[1]} px image'
    if beyond.any():
        raise ValueError(f'clicks: {clicks[beyond][0, :2].tolist()} (x, y) lies outside {place}')
    if corners is None:
        return
    if (corners.max(axis=0) <= 0).any() or (corners.min(axis=0) >= size).any():
        raise ValueError(f'box: {corners.tolist()} (x, y) lies outside {place}')


def _box_of(previous: Clicked | np.ndarray) -> np.ndarray | None:
    """Return x0, y0, x1, y1 of the mask before; None of an empty one."""
    if isinstance(previous, Clicked):
        return previous.found.box()
    x, y, width, height = cv2.boundingRect(previous.view(np.uint8))
    return np.array([x, y, x + width, y + height], float) if width else None


def _around(box: np.ndarray | None, clicks: np.ndarray) -> np.ndarray | None:
    """Return the corners ``(4, 2)`` around a mask's box and the object's clicks; None of none."""
    points = clicks[clicks[:, 2] > 0, :2]
    points = points if box is None else np.concatenate([points, box.reshape(2, 2)])
    if box is None or not len(points):
        return None
    return box_ops.corners(np.concatenate([points.min(axis=0), points.max(axis=0)])[None])[0]


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
