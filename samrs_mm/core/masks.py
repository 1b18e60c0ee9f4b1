"""Masks as COCO's run lengths with text counts: made of polygons, measured, painted as label maps.

Masks from files are looked at where they are read (``checked``, ``segmentations.from_coco``):
pycocotools trusts what it is given. What is encoded here is sound.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from samrs_mm.core import boxes as box_ops
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.mask_runs import CodedMask, MaskError, bounds, checked_runs, edges_of

FARTHEST = (1 << 16) - 1
"""No coordinate of a polygon is beyond this, in pixels."""

_MARGIN = 1024

OVERLAP_POLICIES = ('small_on_top', 'file_order', 'score')
"""Who wins where masks overlap, see ``paint_order``."""


MEASURES = ('fill', 'coverage', 'leakage', 'components', 'at_border')
"""What ``measure`` adds to score, stability and area."""

DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Mask:
    """What a segmentor made of one prompt: COCO RLE, with score and stability (or None)."""

    segmentation: dict
    score: float | None = None
    stability: float | None = None


def encode(mask: np.ndarray) -> dict:
    """Encode a mask ``(H, W)`` bool or uint8 as ``{'size': [H, W], 'counts': str}``.

    Fastest where the mask is in Fortran order (a transposed C array).
    """
    return dict(encode_keeping_runs(mask))


def encode_keeping_runs(mask: np.ndarray) -> CodedMask:
    """Encode a mask as ``encode`` does, for what looks at its runs next.

    It is no plain dict: pickle, and some of pycocotools, take none but those.
    """
    mask = mask.astype(bool, copy=False)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return encode_window(mask[:0], 0, 0, *mask.shape)
    y, x = int(rows[0]), int(columns[0])
    return encode_window(mask[y : rows[-1] + 1, x : columns[-1] + 1], y, x, *mask.shape)


def encode_pixels(places: np.ndarray, height: int, width: int) -> dict:
    """Encode a mask given by its pixels, in time that doesn't depend on the image's size.

    ``places`` are the positions ``x * height + y`` of the mask's pixels, ascending, int64.
    """
    ends = np.flatnonzero(np.diff(places, append=height * width + 1) > 1)
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    edges = np.stack([places[starts], places[ends] + 1], 1).ravel() if len(places) else places
    counts = np.diff(np.concatenate([[0], edges, [height * width]])).astype(int).tolist()
    if counts[-1] == 0:  # the encoder writes no empty run at the end
        counts.pop()
    return of_runs(counts, height, width)


def encode_window(mask: np.ndarray, y: int, x: int, height: int, width: int) -> CodedMask:
    """Encode a mask that is given by a window of its image, in time of the window's size.

    Args:
        mask: ``(h, w)`` bool; it is empty outside.
        y: The image's row of its first pixel.
        x: The image's column of its first pixel.
        height: Of the image, in pixels.
        width: Of the image, in pixels.
    """
    framed = np.zeros((mask.shape[1], mask.shape[0] + 2), bool)
    framed[:, 1:-1] = mask.T
    changes = np.flatnonzero(framed[:, 1:] != framed[:, :-1])
    column, row = np.divmod(changes, mask.shape[0] + 1)
    edges = (column + x) * height + row + y  # starts and ends in turn, column by column
    joined = edges[1:-1:2] == edges[2::2]  # a run goes on at the top of the next column
    if joined.any():
        kept = np.ones(len(edges), bool)
        kept[1:-1] = np.repeat(~joined, 2)
        edges = edges[kept]
    counts = np.diff(np.concatenate([[0], edges, [height * width]])).tolist()
    if counts[-1] == 0 and len(counts) > 1:  # the encoder writes no empty run at the end
        counts.pop()
    return CodedMask(of_runs(counts, height, width), edges)


def of_runs(counts: list[int], height: int, width: int) -> dict:
    """Return RLE with text counts of run lengths that are known to fill the size."""
    return _text(coco_mask.frPyObjects(dict(size=[height, width], counts=counts), height, width))


def checked(rle: dict) -> dict:
    """Return a mask whose runs fill its size, none but the first of length 0.

    pycocotools does not look: of too few runs it decodes whatever was in memory, and it never comes
    back from merging them; runs of length 0 end a merge early.

    Raises:
        MaskError: They don't.
    """
    if getattr(rle, 'edges', None) is None and (checked_runs(rle)[1:] == 0).any():
        return encode(coco_mask.decode(_raw(rle)))
    return rle


def check_size(rle: Any, size: list[int]) -> None:
    """Refuse what was read from a file and is no mask of an image of ``[height, width]``.

    Raises:
        MaskError: Not run lengths with text counts, of another size, or they don't fill it.
    """
    try:
        found = checked(rle)['size']
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MaskError(f'no {error}' if isinstance(error, KeyError) else str(error)) from error
    if found != size or not all(isinstance(side, int) for side in found):
        raise MaskError(f'a mask of {found} in an image of {size}')


def decode(rle: dict) -> np.ndarray:
    """Decode to a mask ``(H, W)`` bool, Fortran order; ``crop`` is cheaper.

    Raises:
        MaskError: The runs don't fill the stated size.
    """
    return coco_mask.decode(_raw(checked(rle))).view(bool)


def crop(rle: dict) -> tuple[int, int, np.ndarray]:
    """Decode no more than the mask's own box.

    Returns:
        x and y of the box in pixels, and the mask in it ``(h, w)`` bool, Fortran order; 0 x 0 at
        0, 0 for an empty mask.

    Raises:
        MaskError: The runs don't fill the stated size.
    """
    edges, height = edges_of(rle), rle['size'][0]
    x, y, w, h = bounds(edges, height)
    # column by column: a run leaves its column only where the box is as high as the image
    columns, rows = np.divmod(edges[::2], height)
    starts = (columns - x) * h + rows - y
    places = np.stack([starts, starts + edges[1::2] - edges[::2]], 1).ravel()
    steps = np.diff(places, prepend=0, append=w * h)
    inside = np.arange(len(steps)) % 2 == 1
    return x, y, np.repeat(inside, steps).reshape(w, h).T


def cut(rle: dict, x: int, y: int, width: int, height: int) -> dict:
    """Return the part of a mask in a window of its image, which may reach beyond it, as RLE.

    Args:
        rle: A mask.
        x: First column of the window in pixels.
        y: Its first row.
        width: Of the window in pixels; the result has its size.
        height: Of the window in pixels.

    Raises:
        MaskError: The runs don't fill the stated size.
    """
    left, top, inside = crop(rle)
    x0, y0 = max(left, x), max(top, y)
    part = inside[y0 - top : max(y + height - top, 0), x0 - left : max(x + width - left, 0)]
    if not part.size:
        return of_runs([height * width], height, width)
    return dict(encode_window(part, y0 - y, x0 - x, height, width))


def area(rle: dict) -> int:
    """Return the number of pixels of a mask."""
    return int(coco_mask.area(_raw(rle)))


def overlap(first: dict, second: dict) -> tuple[int, int]:
    """Return intersection and union of two sound masks of one size, in pixels."""
    shared = _shared(first, second)
    return shared, area(first) + area(second) - shared


def _shared(first: dict, second: dict) -> int:
    """Return the pixels that two sound masks of one size share."""
    return int(coco_mask.area(coco_mask.merge([_raw(first), _raw(second)], intersect=True)))


def union(rles: Sequence[dict]) -> dict:
    """Return the pixels of sound masks of one size, of one or more."""
    return _text(coco_mask.merge([_raw(rle) for rle in rles]))


def bbox(rle: dict) -> list[int]:
    """Return the mask's own box ``[x, y, w, h]`` in pixels; zeros for an empty mask.

    pycocotools counts the pixels beside runs of length 0, which other tools' files have.
    """
    return bounds(edges_of(rle), rle['size'][0])


def fill_polygon(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the pixels of a polygon ``(height, width)`` bool, Fortran order, by COCO's rule.

    Its corners ``(K, 2)`` are x, y in pixels, K >= 3, and may lie beyond the image.
    """
    return coco_mask.decode(_raw(encode_polygon(polygon, height, width))).view(bool)


def draw_polygon(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the pixels of a polygon ``(height, width)`` bool as OpenCV fills it, with its outline.

    Its corners ``(K, 2)`` are x, y in pixels, cut to whole ones in float32; they may lie beyond the
    image.
    """
    corners = np.asarray(polygon, np.float32).clip(-FARTHEST, FARTHEST)
    canvas = np.zeros((height, width), np.uint8)
    return cv2.fillPoly(canvas, [corners.astype(np.int32)], 1).view(bool)


def encode_polygon(polygon: np.ndarray, height: int, width: int) -> dict:
    """Encode the pixels of a polygon, as ``fill_polygon`` gives them."""
    polygon = np.asarray(polygon, np.float64)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    if (low < -_MARGIN).any() or (high > [width + _MARGIN, height + _MARGIN]).any():
        polygon = _clip_far(polygon, height, width)
    if len(polygon) < 3:
        return encode(np.zeros((height, width), bool, order='F'))
    return _text(coco_mask.frPyObjects(polygon.reshape(1, -1).tolist(), height, width)[0])


def _clip_far(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut off what lies far outside: COCO's rasteriser walks every edge pixel by pixel.

    Half-plane by half-plane (Sutherland and Hodgman), so that a polygon that crosses itself stays
    one polygon; what joins its parts runs outside the image.
    """
    for axis, bound, sign in (
        (0, -_MARGIN, 1), (1, -_MARGIN, 1), (0, width + _MARGIN, -1), (1, height + _MARGIN, -1)
    ):  # fmt: skip
        depth = (polygon[:, axis] - bound) * sign
        points = []
        for i in range(len(polygon)):
            if (depth[i - 1] < 0) != (depth[i] < 0):
                part = depth[i - 1] / (depth[i - 1] - depth[i])
                points.append(polygon[i - 1] + part * (polygon[i] - polygon[i - 1]))
            if depth[i] >= 0:
                points.append(polygon[i])
        polygon = np.array(points).reshape(-1, 2)
    return polygon


def measure(
    segmentation: dict, polygon: Sequence, prompt_box: Sequence | None
) -> dict[str, float | int | bool]:
    """Return the measures of a mask, by ``MEASURES``.

    All are taken in pixels of the image (or tile), of the whole mask before overlap. Boxes and
    polygons cover the pixels that ``encode_polygon`` gives them.

    - ``fill``: mask pixels inside the prompt box / pixels of that box, clipped to the image; in
      [0, 1]. Where the setting shows no box (``cp``) it is the upright box around ``polygon``.
    - ``coverage``: mask pixels inside ``polygon`` (the R-Box) / pixels of it inside the image; in
      [0, 1]. Unlike ``fill`` it does not depend on how an object lies.
    - ``leakage``: mask pixels outside ``polygon`` / mask pixels; in [0, 1].
    - ``components``: 8-connected parts of the mask.
    - ``at_border``: whether a mask pixel lies in the image's first or last row or column.

    Args:
        segmentation: COCO RLE of the image's size, of at least one pixel.
        polygon: Corners ``(4, 2)`` of the box in pixels, unclipped.
        prompt_box: ``(4,)`` x0, y0, x1, y1 that the segmentor saw, or None.
    """
    height, width = segmentation['size']
    rbox = np.array(polygon, float)
    hbox = box_ops.bounding_boxes(rbox[None]) if prompt_box is None else np.array([prompt_box])
    frame = box_ops.corners(box_ops.clip(hbox, width, height))[0]
    fill, shared = _covered(segmentation, frame)
    upright = np.array_equal(frame, rbox)  # upright boxes are looked at once
    coverage, covered = (fill, shared) if upright else _covered(segmentation, rbox)
    x, y, part = crop(segmentation)
    h, w = part.shape
    return dict(
        fill=fill,
        coverage=coverage,
        leakage=round(1 - covered / area(segmentation), DECIMALS),
        components=parts(part),
        at_border=x == 0 or y == 0 or x + w == width or y + h == height,
    )


def parts(mask: np.ndarray) -> int:
    """Return the number of 8-connected parts of a mask ``(h, w)`` bool."""
    pixels = np.ascontiguousarray(mask.T).view(np.uint8)  # masks are decoded by columns
    return cv2.connectedComponents(pixels, connectivity=8)[0] - 1


def _covered(segmentation: dict, polygon: np.ndarray) -> tuple[float, int]:
    """Return the fraction of a polygon's pixels that a mask covers, and their number."""
    inside = encode_polygon(polygon, *segmentation['size'])
    shared = _shared(segmentation, inside)
    return round(shared / max(area(inside), 1), DECIMALS), shared


@dataclass(frozen=True)
class Instance:
    """What is painted, as a box of a record: class index from 0, RLE, pixels, predicted IoU."""

    label: int
    segmentation: dict
    area: int
    score: float | None


def check_policy(policy: str) -> str:
    """Return ``policy``.

    Raises:
        RefusedError: Not one of ``OVERLAP_POLICIES``.
    """
    if policy not in OVERLAP_POLICIES:
        raise RefusedError(
            f'overlap_policy {policy!r} is unknown; allowed: {", ".join(OVERLAP_POLICIES)}'
        )
    return policy


def paint_order(instances: Sequence[Any], policy: str) -> list[int]:
    """Return the order in which instances are painted; later ones cover earlier ones.

    ``small_on_top`` paints large masks first, ``score`` low scores, and last what has ``by_hand``
    set; ``file_order`` (the authors') keeps label order, which also breaks ties.
    """
    keys: dict[str, Callable[[int], Any]] = {
        'small_on_top': lambda i: -instances[i].area,
        'file_order': lambda i: 0,
        'score': lambda i: (
            bool(getattr(instances[i], 'by_hand', False)),  # a person is surer than any score
            -1.0 if (score := instances[i].score) is None else score,
        ),
    }
    return sorted(range(len(instances)), key=keys[policy])


def compose(
    instances: Sequence[Any], height: int, width: int, policy: str
) -> tuple[np.ndarray, list[int]]:
    """Paint instances into a label map.

    Args:
        instances: Kept masks in label order: ``Instance`` or boxes of a record.
        height: Image height in pixels.
        width: Image width in pixels.
        policy: One of ``OVERLAP_POLICIES``.

    Returns:
        Label map ``(height, width)`` uint8, 255 where no mask is, and the visible area of each
        instance in pixels.
    """
    labels = np.full((width, height), UNLABELLED, np.uint8).T
    free = np.ones((width, height), bool).T
    visible = [0] * len(instances)
    for index in reversed(paint_order(instances, policy)):
        x, y, part = crop(instances[index].segmentation)
        h, w = part.shape
        here = np.s_[y : y + h, x : x + w]
        seen = part & free[here]
        visible[index] = int(np.count_nonzero(seen))
        labels[here][seen] = instances[index].label
        free[here] ^= seen
    return cv2.transpose(labels.T), visible


def _text(rle: dict) -> dict:
    return {'size': [int(side) for side in rle['size']], 'counts': rle['counts'].decode('ascii')}


def _raw(rle: dict) -> dict:
    return {'size': rle['size'], 'counts': rle['counts'].encode('ascii')}
