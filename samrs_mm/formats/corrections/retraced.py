"""Objects of tools that trace masks anew, or don't tell of which box they were made.

FiftyOne exports polygons through the middle of pixels, thinned to 2 px, of masks that nobody
touched: taken as they are they would spoil each of them. So a polygon that runs along the border of
the mask it was made of is no edit. What was moved by less than some 2 px can't be told from that.
CVAT, where it makes polygons of masks, keeps some corners of their contours and cuts off narrow
bays: its polygons are known again by their corners.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import shapely

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
    if _has_own_corners([ring - low for ring in rings], mask):
        return True
    distance = _distance(_border(mask))
    places = np.minimum(points.astype(int), [width - 1, height - 1])
    if distance[places[:, 1], places[:, 0]].max() > CORNERS:
        return False
    lines = shapely.MultiLineString([np.vstack([ring, ring[:1]]) - low for ring in rings])
    rows, columns = _border(_filled(mask)).nonzero()
    if shapely.distance(lines, shapely.points(columns, rows)).max() > BETWEEN:
        return False
    along = shapely.get_coordinates(shapely.segmentize(lines, 1.0)).astype(int)
    along = np.minimum(along, [width - 1, height - 1])
    return bool(distance[along[:, 1], along[:, 0]].max() <= BETWEEN)


def _has_own_corners(rings: Sequence[np.ndarray], mask: np.ndarray) -> bool:
    """Whether polygons are those that OpenCV's Teh-Chin chains make of a mask."""
    own = [ring[:, 0] for ring in cv2.findContours(
        mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_KCOS
    )[0]]  # fmt: skip
    found = {frozenset(map(tuple, ring.tolist())) for ring in rings}
    known = {frozenset(map(tuple, ring.astype(float).tolist())): ring for ring in own}
    left = [known[key] for key in known.keys() - found]
    # a ring without an area is no polygon to CVAT
    return found <= known.keys() and all(not cv2.contourArea(ring) for ring in left)


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
    known = {place: box for place, box in enumerate(boxes) if box.segmentation is not None}
    places = np.array(list(known), int)
    spans = _spans([box.segmentation or {} for box in known.values()])
    pairs = []
    for number, shapes in enumerate(objects):
        mask = masks.encode(rendered(shapes, height, width, line=True))
        span = _spans([mask])
        near = (spans[:, 0] < span[:, 1]) & (span[:, 0] < spans[:, 1])
        for place in places[near.all(axis=1)].tolist():
            shared, union = masks.overlap(mask, known[place].mask)
            if union and shared / union >= LEAST:
                pairs.append((-shared / union, number, place))
    found: dict[int, int] = {}
    for _, number, place in sorted(pairs):
        if number not in found and place not in found.values():
            found[number] = place
    return found


def _spans(rles: Sequence[dict]) -> np.ndarray:
    """Return from where to where masks reach: ``(N, 2, 2)``, low and high by x and y."""
    found = np.array([masks.bbox(rle) for rle in rles]).reshape(-1, 2, 2)
    return np.stack([found[:, 0], found.sum(axis=1)], axis=1)


def with_line(
    pairs: Sequence[tuple[Sequence[Shape], BoxEntry]], height: int, width: int, usual: bool
) -> bool:
    """Return by which rule the polygons of a file are nearer to the masks they were made of.

    Those that are exact by both, as ours are, were not made by filling lines.

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
    return shares[True] > shares[False] if any(shares) else usual
