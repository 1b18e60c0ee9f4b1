"""How a drawn object is asked for: a loose box, a point, or a window at its border."""

from dataclasses import dataclass

import cv2
import numpy as np

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.drawn.crop_canvas import Thing
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import rectangle, turned
from samrs_mm.drawn.textures import noise

LOOSEST, TIGHTEST = 0.2, -0.03
"""How far a side of a box moves outwards at most, and inwards, of the box's extent there."""
_TILT = 0.03  # standard deviation of an oriented box's angle in radians
_GRID = 64  # side on which the border is looked for


@dataclass(frozen=True)
class View:
    """A crop's place and what is known of the object.

    Args:
        frame: In pixels of the picture, the object at its origin.
        half: ``(2,)`` half the box's sides along the frame's axes; None without a box.
        centre: ``(2,)`` the box's centre from the frame's middle, along the frame's axes.
        oriented: Whether the box is turned with the object.
    """

    frame: CropFrame
    half: np.ndarray | None
    centre: np.ndarray
    oriented: bool


def tight_box(points: np.ndarray, oriented: bool) -> np.ndarray:
    """Return the corners ``(4, 2)`` of the box around points: of least area, or upright."""
    if oriented:
        return cv2.boxPoints(cv2.minAreaRect(points.astype(np.float32))).astype(float)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return rectangle(x0, x1, y0, y1)


def loosened(
    dice: Dice, corners: np.ndarray, oriented: bool, grown: float = 0, tight: float = 0.2
) -> np.ndarray:
    """Return a box as people draw it: each side moved, an oriented one tilted a little.

    A share of boxes is tight up to 1 %; the others' sides lie 3 % inside to 5 or 20 % outside. The
    corners begin anywhere.

    Args:
        dice: What decides.
        corners: ``(4, 2)`` in order.
        oriented: Whether it may be tilted.
        grown: Pixels by which all sides lie further out, as the mask does.
        tight: Share of tight boxes, in [0, 1].
    """
    first, second = corners[1] - corners[0], corners[3] - corners[0]
    most = 0.0 if dice.chance(tight) else dice.pick([0.05, LOOSEST, LOOSEST])
    moves = dice.rng.uniform(TIGHTEST if most else -0.01, most or 0.01, 4)
    if dice.chance(0.2):
        moves *= dice.between(0, 1)
    lengths = np.maximum([np.hypot(*first), np.hypot(*second)], 1e-6)
    low = moves[:2] + grown / lengths
    high = 1 + moves[2:] + grown / lengths
    shares = np.array([(low[0] * -1, -low[1]), (high[0], -low[1]), (high[0], high[1]),
                       (-low[0], high[1])])  # fmt: skip
    box = corners[0] + shares @ np.stack([first, second])
    if oriented and most:
        middle = box.mean(axis=0)
        box = turned(box - middle, dice.rng.normal(0, _TILT)) + middle
    return np.roll(box, dice.count(0, 3), axis=0)


def box_view(corners: np.ndarray, oriented: bool) -> View:
    """Return the view around a box."""
    frame, half = CropFrame.around(corners)
    return View(frame, half, np.zeros(2), oriented)


def point_view(dice: Dice, inner: np.ndarray, points: np.ndarray) -> View:
    """Return an upright view around a point, 0.6 to 3 times as large as the object.

    Args:
        dice: What decides.
        inner: ``(2,)`` a point of the object.
        points: ``(N, 2)`` its corners.
    """
    reach = np.ptp(points, axis=0).max() / 2 * dice.spread(0.6, 3)
    frame = CropFrame(inner, np.eye(2), np.full(2, max(reach, 3.0)))
    return View(frame, None, np.zeros(2), False)


def border_view(dice: Dice, corners: np.ndarray, oriented: bool, at: np.ndarray, side: int) -> View:
    """Return a window at a point of an object's border, about a pixel of the picture a pixel.

    It has the axes of the box's own crop.

    Args:
        dice: How fine.
        corners: ``(4, 2)`` of the box.
        oriented: Whether it is turned with the object.
        at: ``(2,)`` the point.
        side: Of the crop in pixels.
    """
    whole, half = CropFrame.around(corners)
    reach = np.full(2, side / 2 * dice.between(0.8, 1.25))
    frame = CropFrame(at, whole.axes, np.minimum(reach, whole.reach))
    return View(frame, half, whole.axes @ (whole.centre - at), oriented)


class Silhouette:
    """A thing's silhouette on a small grid, to choose points of it; lengths in its units."""

    def __init__(self, thing: Thing):
        outline = thing.outline()
        self._scale = (_GRID - 4) / np.ptp(outline, axis=0).max()
        self._low = outline.min(axis=0) - 2 / self._scale
        self._grid = np.zeros((_GRID, _GRID), np.uint8)
        for part in thing.parts:
            if part.solid:
                points = np.rint((part.points - self._low) * self._scale).astype(np.int32)
                cv2.fillPoly(self._grid, [points], 255)
        self._depth = cv2.distanceTransform(self._grid, cv2.DIST_L2, 3)

    def _place(self, x: float, y: float) -> np.ndarray:
        return self._low + np.array([x, y]) / self._scale

    def thickness(self) -> float:
        """Return the diameter of the largest disc inside."""
        return max(2 * float(self._depth.max()) - 1, 1) / self._scale

    def inner_point(self, dice: Dice) -> np.ndarray:
        """Return a point ``(2,)`` inside, mostly well inside."""
        ys, xs = np.nonzero(self._depth >= self._depth.max() * dice.between(0.3, 0.95))
        chosen = dice.count(0, len(xs) - 1)
        return self._place(xs[chosen], ys[chosen])

    def border_point(self, dice: Dice) -> np.ndarray:
        """Return a point ``(2,)`` about on the border."""
        found, _ = cv2.findContours(self._grid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        contour = dice.pick(found)[:, 0]
        return self._place(*contour[dice.count(0, len(contour) - 1)])


def coarse(dice: Dice, target: np.ndarray) -> np.ndarray:
    """Return a mask as a first pass at less resolution gives it: blurred, grown or shrunk, dented.

    Args:
        dice: What decides.
        target: ``(S, S)`` float32 in [0, 1], the truth.

    Returns:
        ``(S, S)`` float32 probabilities.
    """
    side = target.shape[0]
    small = max(int(side / dice.between(2, 6)), 4)
    low = cv2.resize(target, (small, small), interpolation=cv2.INTER_AREA)
    low = cv2.GaussianBlur(low, (0, 0), dice.between(0.3, 1.2))
    dents = noise(dice.rng, low.shape, dice.between(1.5, 6)) * dice.between(0, 0.2)
    logit = (low - 0.5 + dice.rng.normal(0, 0.12) + dents) * dice.between(4, 14)
    probability = 1 / (1 + np.exp(-logit))
    return cv2.resize(probability.astype(np.float32), (side, side))
