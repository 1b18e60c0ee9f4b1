"""Labels that are shapes drawn on an image: what their formats have in common."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from samrs_mm.core.boxes import FARTHEST, BadBoxError, BoxLabel, ParsedLabels, bounding_boxes

_LEAST_POINTS = 3


@dataclass
class ImageShapes:
    """The shapes of one image.

    Args:
        image: The image's path or address, as the labels have it.
        labels: The boxes of the shapes, and what is none.
        truth: The true masks among them, as COCO polygons or RLE by box id.
        subset: The part of the dataset that the labels say the image is of; empty if they don't.
    """

    image: str = ''
    labels: ParsedLabels = field(default_factory=ParsedLabels)
    truth: dict[str, Any] = field(default_factory=dict)
    subset: str = ''

    def add(self, box: BoxLabel, truth: Any = None) -> None:
        """Take a box, and its true mask if there is one."""
        self.labels.boxes.append(box)
        if truth is not None:
            self.truth[box.box_id] = truth


def text_label(value: Any, key: str = 'label') -> str:
    """Return a class name.

    Raises:
        BadBoxError: No text that can be shown in a line.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise BadBoxError(f'{key} is {short(value)}; allowed: a class name')
    return value.strip()


def number(value: Any, key: str) -> float:
    """Return a number of JSON.

    Raises:
        BadBoxError: Another value, or one beyond any image.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadBoxError(f'{key} is {short(value)}, not a number')
    if not -FARTHEST <= value <= FARTHEST:
        raise BadBoxError(f'{key} is {short(value)}, beyond any image')
    return float(value)


def pairs(values: Any, key: str = 'points') -> np.ndarray:
    """Return points ``(K, 2)`` of a JSON list of pairs.

    Raises:
        BadBoxError: Another value.
    """
    if not isinstance(values, list) or not all(
        isinstance(pair, list) and len(pair) == 2 for pair in values
    ):
        raise BadBoxError(f'{key} is {short(values)}; allowed: a list of [x, y]')
    return np.array([[number(value, key) for value in pair] for pair in values]).reshape(-1, 2)


def polygon(points: np.ndarray) -> tuple[np.ndarray, list[list[float]]]:
    """Return the H-Box ``(4,)`` around a polygon ``(K, 2)``, and it as COCO has it.

    Raises:
        BadBoxError: Fewer than three points.
    """
    if len(points) < _LEAST_POINTS:
        raise BadBoxError(f'a polygon of {len(points)} points; allowed: 3 and more')
    return bounding_boxes(points[None])[0], [points.ravel().tolist()]


def corners(points: np.ndarray, kind: str) -> np.ndarray:
    """Return the four corners of a turned box.

    Raises:
        BadBoxError: There are more or fewer.
    """
    if len(points) != 4:
        raise BadBoxError(f'{kind} of {len(points)} points; allowed: 4 corners')
    return points


def around(points: np.ndarray, kind: str, allowed: Sequence[int]) -> np.ndarray:
    """Return the H-Box ``(4,)`` around the corners of an upright box.

    Raises:
        BadBoxError: Another number of corners than allowed.
    """
    if len(points) not in allowed:
        counts = ' or '.join(map(str, allowed))
        raise BadBoxError(f'{kind} of {len(points)} points; allowed: {counts} corners')
    return bounding_boxes(points[None])[0]


def short(value: Any) -> str:
    """Return a JSON value in a few characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + '...'
