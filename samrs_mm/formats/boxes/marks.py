"""What a label says of its object beyond its box: regions, flags, turns."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from samrs_mm.core import masks, segmentations
from samrs_mm.core.boxes import CROWD, FLAGS, IGNORED, BadBoxError, rotated_corners
from samrs_mm.formats.boxes.shapes import short

_NO, _YES = ('', 'false', 'no'), ('true', 'yes')


def region_of(entry: Mapping[str, Any]) -> str:
    """Return what an annotation of a COCO file is as a region: ``CROWD``, ``IGNORED``, or ''.

    Raises:
        BadBoxError: ``iscrowd`` or ``ignore`` is neither 0 nor 1.
    """
    crowd, ignored = (_mark(entry, key) for key in ('iscrowd', 'ignore'))
    return IGNORED if ignored else CROWD if crowd else ''


def _mark(entry: Mapping[str, Any], key: str) -> bool:
    number = whole(entry.get(key))
    if number not in (0, 1):
        raise BadBoxError(f'{key} is {entry[key]!r:.60}; allowed: 0 or 1')
    return bool(number)


def flags_of(entry: Mapping[str, Any]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the flags of an annotation of a COCO file that aren't 0, and notes on lost ones.

    They stand in it or, as CVAT writes them, in its ``attributes``.
    """
    inner = entry.get('attributes')
    values = {**inner, **entry} if isinstance(inner, dict) else entry
    found = {name: whole(values[name]) for name in FLAGS if name in values}
    notes = [
        f'{name} is {values[name]!r:.60}, no whole number: not kept'
        for name, number in found.items()
        if number is None
    ]
    return {name: number for name, number in found.items() if number}, tuple(notes)


def whole(value: Any) -> int | None:
    """Return the whole number that a JSON value stands for; None of any other.

    pandas writes 1.0 for 1 and NaN for nothing, other tools ``"0"`` or ``"false"``.

    Example:
        >>> [whole(value) for value in (None, True, 1.0, '0', float('nan'), 'x', -1)]
        [0, 1, 1, 0, 0, None, None]
    """
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _NO or text in _YES:
            return int(text in _YES)
        value = float(text) if text.isdecimal() and len(text) < 10 else None
    elif value is None or value != value:  # NaN
        return 0
    if not isinstance(value, int | float) or not 0 <= value < 1e9 or value != int(value):
        return None
    return int(value)


def around_region(region: Any) -> list[float] | None:
    """Return x, y, width, height of a region; None without a pixel.

    Raises:
        BadBoxError: Neither polygons nor RLE.
    """
    try:
        if isinstance(region, list) and region:
            segmentations.check_polygons(region)
            points = np.concatenate([np.array(ring, float).reshape(-1, 2) for ring in region])
            low, high = points.min(axis=0), points.max(axis=0)
            return [*low.tolist(), *(high - low).tolist()]
        coded = segmentations.from_coco(region, *(region or dict(size=(0, 0)))['size'])
        return [*map(float, masks.bbox(coded))] if coded and masks.area(coded) else None
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BadBoxError(f'segmentation is {short(region)}; allowed: polygons or RLE') from error


def turned(hbox: list[float], degrees: float) -> tuple[np.ndarray, str]:
    """Return a box that stands turned about its centre, clockwise as seen, and a note on it.

    CVAT writes such boxes to COCO and VOC files: upright, with an attribute ``rotation``.

    Args:
        hbox: x0, y0, x1, y1 before it was turned.
        degrees: The attribute.

    Returns:
        Corners ``(4, 2)`` of x, y.
    """
    x0, y0, x1, y1 = hbox
    box = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, math.radians(degrees)]
    note = f'turned by {degrees:g} degrees about its centre (its attribute rotation, as of CVAT)'
    return rotated_corners(np.array([box], float))[0], note


def degrees_of(value: Any) -> float:
    """Return what an attribute ``rotation`` turns a box by; 0 where it is no number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) and number % 360 else 0.0
