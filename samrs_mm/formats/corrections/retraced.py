"""Objects of tools that trace masks anew, or don't tell of which box they were made.

FiftyOne exports polygons through the middle of pixels, thinned to 2 px, of masks that nobody
touched: taken as they are they would spoil each of them. So a polygon that runs along the border of
the mask it was made of is no edit. What was moved by less than some 2 px can't be told from that.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from samrs_mm.core import masks
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.corrections.shapes import Shape

CORNERS, BETWEEN = 1.5, 3.0
"""How far from a mask's border, in pixels, the corners of its own polygon lie, and its edges."""
LEAST = 0.5
"""IoU above which an object without box id is the box's."""
_MARGIN = 6


def rendered(shapes: Sequence[Shape], height: int, width: int, line: bool) -> np.ndarray:
    """Return the pixels ``(height, width)`` bool of an object.

    Args:
        shapes: Its shapes.
        height: Of the image in pixels.
        width: Of the image in pixels.
        line: Whether pixels on the line of a polygon are in it, as OpenCV fills it; boxes run
            along edges.
    """
    return np.logical_or.reduce([_filled_shape(each, height, width, line) for each in shapes])


def _filled_shape(shape: Shape, height: int, width: int, line: bool) -> np.ndarray:
    if shape.ring is None:
        return masks.decode(shape.mask or {})
    fill = masks.draw_polygon if line and not shape.bare else masks.fill_polygon
    return fill(shape.ring, height, width)


def is_retraced(shapes: Sequence[Shape], box: BoxEntry) -> bool:
    """Whether an object is the mask of a box, the same or only traced anew."""
    if box.segmentation is None:
        return False
    if all(each.mask is not None for each in shapes):
        if len(shapes) > 1:
            return False
        shared, union = masks.overlap(shapes[0].mask or {}, box.segmentation)
        return shared == union
    rings = [each.ring for each in shapes if each.ring is not None]
    if len(rings) != len(shapes):
        return False
    x, y, pixels = masks.crop(box.segmentation)
    mask = np.ascontiguousarray(np.pad(pixels, _MARGIN), np.uint8)
    low = np.array([x, y]) - _MARGIN
    points = np.concatenate(rings) - low
    height, width = mask.shape
    if (points < 0).any() or (points > [width, height]).any():
        return False
    distance = _distance(_border(mask))
    places = np.minimum(points.astype(int), [width - 1, height - 1])
    if distance[places[:, 1], places[:, 0]].max() > CORNERS:
        return False
    again: np.ndarray = np.zeros_like(mask)
    for ring in rings:
        cv2.fillPoly(again, [np.floor(ring - low).astype(np.int32)], 1)
    before, after = _border(_filled(mask)), _border(again)
    return bool(
        _distance(after)[before].max() <= BETWEEN and _distance(before)[after].max() <= BETWEEN
    )


def _border(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of a mask that touch what is not in it."""
    return (mask > 0) & (cv2.erode(mask, np.ones((3, 3), np.uint8)) == 0)


def _filled(mask: np.ndarray) -> np.ndarray:
    rings, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(mask.copy(), rings, -1, 1, cv2.FILLED)


def _distance(places: np.ndarray) -> np.ndarray:
    """Return how far each pixel is from the nearest of some, in pixels."""
    return cv2.distanceTransform((~places).astype(np.uint8), cv2.DIST_L2, 5)


def matched(
    objects: Sequence[Sequence[Shape]], boxes: Sequence[BoxEntry], height: int, width: int
) -> dict[int, int]:
    """Return which box an object is, by their positions: those that overlap most come first."""
    pairs = []
    for number, shapes in enumerate(objects):
        mask = masks.encode(rendered(shapes, height, width, line=True))
        for place, box in enumerate(boxes):
            if box.segmentation is not None:
                shared, union = masks.overlap(mask, box.segmentation)
                if union and shared / union >= LEAST:
                    pairs.append((-shared / union, number, place))
    found: dict[int, int] = {}
    for _, number, place in sorted(pairs):
        if number not in found and place not in found.values():
            found[number] = place
    return found


def with_line(
    pairs: Sequence[tuple[Sequence[Shape], BoxEntry]], height: int, width: int, usual: bool
) -> bool:
    """Return by which rule the polygons of a file are nearer to the masks they were made of.

    Args:
        pairs: Objects that nobody touched, and their boxes.
        height: Of the image in pixels.
        width: Of the image in pixels.
        usual: What to take where none tells.
    """
    shares = [0.0, 0.0]
    for shapes, box in pairs:
        if any(each.ring is None for each in shapes):
            continue
        for line in (False, True):
            mask = masks.encode(rendered(shapes, height, width, line))
            shared, union = masks.overlap(mask, box.mask)
            shares[line] += shared / max(union, 1)
    return usual if shares[True] == shares[False] else shares[True] > shares[False]
