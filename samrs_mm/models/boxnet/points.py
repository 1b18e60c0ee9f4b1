"""Objects of which nothing but points is known: which crop shows them whole."""

import cv2
import numpy as np

from samrs_mm.core import boxes as box_ops
from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.models.boxnet.asked import Asked, Picture
from samrs_mm.models.boxnet.maker import MaskMaker, ObjectMask, tidied

REACHES = tuple(8 * 2 ** (step / 2) for step in range(11))
"""Half the sides of the crops that are tried around a point, in pixels of the picture."""

_RIM_WEIGHT = 2.0
_LOOKED_AT_AGAIN = 4  # no more than a pass takes


def mask_of_clicks(maker: MaskMaker, picture: Picture, clicks: np.ndarray) -> ObjectMask:
    """Return the mask of what is clicked, one object click at least.

    Crops of several sizes are tried around the object's clicks. The best masks by score, less twice
    the share of the crop's rim that they cover (they go on there), are made again in crops around
    their own boxes; the one that then has the best score is returned.

    Args:
        maker: Makes the masks.
        picture: The whole picture.
        clicks: ``(N, 3)`` x, y in pixels of the picture, and 1 for the object or 0.
    """
    objects = clicks[clicks[:, 2] > 0, :2]
    middle = (objects.min(axis=0) + objects.max(axis=0)) / 2
    apart = np.abs(objects - middle).max()
    tried = [Asked.of_point(middle, reach + apart, clicks) for reach in REACHES]
    logits, scores = maker.run([each.sample(picture, maker.side) for each in tried])
    likely = scores - _RIM_WEIGHT * np.array([_share_of_rim(each) for each in logits])
    best = np.argsort(-likely, kind='stable')[:_LOOKED_AT_AGAIN]
    again = [_around_own_box(tried[k], logits[k]) for k in best]
    logits, scores = maker.run([each.sample(picture, maker.side) for each in again])
    chosen = int(np.argmax(scores))
    return maker.finished(picture, again[chosen], logits[chosen], float(scores[chosen]))


def _around_own_box(asked: Asked, logits: np.ndarray) -> Asked:
    """Return the same clicks in the crop around the box of their mask; in their own without one."""
    box = _box_of(tidied(logits > 0), asked.frame)
    if box is None:
        return asked
    frame, _ = CropFrame.around(box_ops.corners(box[None])[0])
    return Asked(frame, clicks=asked.clicks)


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
