"""YOLO label files: H-Boxes, R-Boxes (OBB) and polygons, in fractions of the image's size."""

from collections.abc import Sequence

import numpy as np

from samrs_mm.core.boxes import (
    BadBoxError,
    BoxLabel,
    ParsedLabels,
    bounding_boxes,
    lines_of,
    read_boxes,
    to_float,
)

_SLACK = {'box': 0.01, 'corner': 0.5}
"""How far rounding may take a box, and slant a corner of an R-Box, out of 0..1."""


def parse_yolo(text: str, file: str, names: Sequence[str], width: int, height: int) -> ParsedLabels:
    """Read the text of one YOLO label file, called ``file`` in box ids, into boxes in pixels.

    A line is ``class cx cy w h``, maybe with a confidence after it, which is dropped; ``class x1 y1
    ... x4 y4`` (OBB); or ``class`` and another number of points, three at least (a mask), of which
    the upright box around them is taken. Four points are taken for an OBB, as the syntax is the
    same. Source of the format: https://docs.ultralytics.com/datasets/detect/.
    """
    size = np.array([width, height])

    def read(box_id: str, line: str) -> BoxLabel:
        columns = line.split()
        category = _category(columns[0], names)
        values = [_finite(value) for value in columns[1:]]
        if len(values) in (4, 5):
            centre, sides = _fractions(values[:4], _SLACK['box']) * size
            hbox = np.concatenate([centre - sides / 2, centre + sides / 2])
            return BoxLabel(box_id, category, hbox=hbox)
        if len(values) < 6 or len(values) % 2:
            raise BadBoxError(
                f'{len(columns)} columns; a YOLO line has 5 (class cx cy w h), 9 (class x1 y1 ... '
                'x4 y4) or the class and three points or more'
            )
        points = _fractions(values, _SLACK['corner']) * size
        if len(points) == 4:
            return BoxLabel(box_id, category, polygon=points)
        return BoxLabel(box_id, category, hbox=bounding_boxes(points[None])[0])

    return read_boxes(lines_of(text, file), read)


def _category(text: str, names: Sequence[str]) -> str:
    number = _finite(text)
    if number != int(number) or not 0 <= number < len(names):
        raise BadBoxError(f'class {text!r}; allowed are 0..{len(names) - 1}')
    return names[int(number)]


def _finite(text: str) -> float:
    value = to_float(text, f'{text[:40]!r} is not a number')
    if not np.isfinite(value):
        raise BadBoxError(f'{text!r} is not a number')
    return value


def _fractions(values: list[float], slack: float) -> np.ndarray:
    """Return pairs ``(K, 2)`` of fractions of width and height."""
    wrong = [value for value in values if not -slack <= value <= 1 + slack]
    if wrong:
        raise BadBoxError(
            f'coordinate {wrong[0]:g} is not in 0..1; YOLO has fractions of width and height, not '
            'pixels'
        )
    return np.array(values).reshape(-1, 2)
