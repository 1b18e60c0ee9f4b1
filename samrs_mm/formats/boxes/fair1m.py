"""FAIR1M label files: XML with closed rings of five points."""

import numpy as np

from samrs_mm.core.boxes import BoxLabel
from samrs_mm.formats.boxes.labels import ParsedLabels
from samrs_mm.formats.boxes.xml_tree import (
    BadElementError,
    Element,
    number,
    read_boxes,
    read_xml,
)

_CLOSED_WITHIN = 1.0
"""Pixels by which the fifth point of a ring may miss the first, which it repeats."""


def parse_fair1m(data: bytes, file: str) -> ParsedLabels:
    """Read one FAIR1M label file.

    Args:
        data: The file's bytes.
        file: Name for box ids, relative to the data root.

    Returns:
        Boxes with ``polygon`` set (the start corner is arbitrary; zero-area ones are kept), and
        one problem for each object that can't be read.

    Raises:
        LabelReadError: The file as a whole can't be read.
    """
    root = read_xml(data, file, 'annotation')
    groups = [root, *root.all('objects')]
    return read_boxes((obj for group in groups for obj in group.all('object')), file, _box)


def _box(element: Element, box_id: str) -> BoxLabel:
    category = element.require_text('possibleresult', 'name')
    points = element.first('points')
    ring = np.array([_point(point.text) for point in points.all('point')] if points else [])
    if len(ring) not in (4, 5):
        raise BadElementError(f'{len(ring)} points; allowed: 4 corners, or 5 with the first again')
    if len(ring) == 5 and np.abs(ring[4] - ring[0]).max() > _CLOSED_WITHIN:
        raise BadElementError('5 points, but the last does not repeat the first')
    return BoxLabel(box_id, category, polygon=ring[:4])


def _point(text: str) -> list[float]:
    parts = text.split(',')
    if len(parts) != 2:
        raise BadElementError(f'<point> is {text[:60]!r}; allowed: x,y')
    return [number(part.strip(), 'point') for part in parts]
