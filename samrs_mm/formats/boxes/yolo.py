"""YOLO label files: H-Boxes, R-Boxes (OBB), polygons and key points, in fractions of the image."""

from collections.abc import Sequence
from typing import Any

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
from samrs_mm.formats.boxes.yolo_layout import OBB, SEGMENT, YoloLayout

_SLACK, _CORNER_SLACK = 0.01, 0.5
"""How far rounding may take a coordinate, and slant a corner of an R-Box, out of 0..1."""


def parse_yolo(
    text: str, file: str, names: Sequence[str], width: int, height: int, layout: YoloLayout
) -> ParsedLabels:
    """Read the text of one YOLO label file, called ``file`` in box ids, into boxes in pixels.

    Every line is of the dataset's layout; of a polygon the upright box around it is taken. Source
    of the format: https://docs.ultralytics.com/datasets/detect/.
    """
    size = np.array([width, height])

    def read(box_id: str, line: str) -> BoxLabel:
        columns = line.split()
        layout.check(columns, line)
        category = _category(columns[0], names)
        values = [_finite(value) for value in columns[1:]]
        if layout.confidence:
            values = values[:-1]
        if layout.is_box(columns):
            centre, sides = _fractions(values[:4], _SLACK) * size
            hbox = np.concatenate([centre - sides / 2, centre + sides / 2])
            return BoxLabel(box_id, category, hbox=hbox)
        points = _fractions(values, _CORNER_SLACK if layout.task == OBB else _SLACK) * size
        if layout.task == SEGMENT:
            return BoxLabel(box_id, category, hbox=bounding_boxes(points[None])[0])
        return BoxLabel(box_id, category, polygon=points)

    return read_boxes(lines_of(text, file), read)


def yolo_polygons(
    text: str, file: str, names: Sequence[str], width: int, height: int, layout: YoloLayout
) -> dict[str, Any]:
    """Return the polygons of one label file as COCO has them, in pixels, by box id.

    Lines that ``parse_yolo`` does not take, and boxes among polygons, have none.
    """
    if layout.task != SEGMENT:
        return {}
    taken = parse_yolo(text, file, names, width, height, layout).boxes
    ids, size = {box.box_id for box in taken}, np.array([width, height])
    rings = {}
    for box_id, line in lines_of(text, file):
        columns = line.split()
        if box_id in ids and not layout.is_box(columns):
            points = _fractions([_finite(value) for value in columns[1:]], _SLACK) * size
            rings[box_id] = [points.ravel().tolist()]
    return rings


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
