"""Objects of which nothing but points is known: which crop shows them whole."""

import cv2
import numpy as np

from samrs_mm.core import boxes as box_ops
from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.models.boxnet.asked import Asked, Picture
from samrs_mm.models.boxnet.maker import MaskMaker, ObjectMask, tidied

REACHES = (8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Half the sides of the crops that are tried around a point, in pixels of the picture."""


def mask_of_clicks(maker: MaskMaker, picture: Picture, clicks: np.ndarray) -> ObjectMask:
    """Return the mask of what is clicked, one object click at least.

    Crops of several sizes are tried around the object's clicks. The mask of the best score, less
    the share of its crop's rim that it covers (it goes on there), is made again in the crop
    around its own box.

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
    likely = [score - _share_of_rim(each) for score, each in zip(scores, logits, strict=True)]
    best = int(np.argmax(likely))
    asked, box = tried[best], _box_of(tidied(logits[best] > 0), tried[best].frame)
    if box is not None:
        frame, _ = CropFrame.around(box_ops.corners(box[None])[0])
        asked = Asked(frame, clicks=clicks)
    return next(iter(maker.make(picture, [asked])))


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
