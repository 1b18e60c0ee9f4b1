"""Pascal VOC's label files, and those of DIOR, DIOR-R and roLabelImg: XML with H- and R-Boxes."""

import math

from samrs_mm.core.boxes import BadBoxError, BoxLabel, ParsedLabels, rotated_corners
from samrs_mm.formats.boxes.marks import degrees_of, turned
from samrs_mm.formats.boxes.xml_tree import (
    Element,
    marks_of,
    numbers,
    objects_of,
    read_labels,
    read_xml,
    require_text,
)

_SIDES = ('xmin', 'ymin', 'xmax', 'ymax')
_CORNERS = tuple(
    f'{axis}_{corner}'
    for corner in ('left_top', 'right_top', 'right_bottom', 'left_bottom')
    for axis in 'xy'
)
_CENTRED = ('cx', 'cy', 'w', 'h', 'angle')
_BOX_TAGS = ('bndbox', 'robndbox')


def parse_voc(data: bytes, file: str) -> ParsedLabels:
    """Read one label file of Pascal VOC, DIOR, DIOR-R or roLabelImg, called ``file`` in box ids.

    Some HBB files hold ``robndbox`` with ``xmin`` to ``ymax``, some objects of DIOR-R only
    ``bndbox``: so either tag and any set of children is taken in either kind of file. They give
    ``hbox`` (from ``xmin`` ...) or ``polygon`` (from ``x_left_top`` ..., clockwise, or from ``cx``,
    ``cy``, ``w``, ``h`` and ``angle`` in radians, clockwise as seen) or both. Parts of an object
    are no boxes of their own. ``difficult``, ``truncated`` and ``occluded`` are kept as flags. A
    ``bndbox`` that CVAT gave an attribute ``rotation`` is an R-Box.

    Raises:
        LabelReadError: The file as a whole can't be read.
    """
    return read_labels(data, file, 'annotation', ('object',), _box)


def object_ids(data: bytes, file: str) -> list[str]:
    """Return the box ids of all objects of a label file in its order, also of those without a box.

    Raises:
        LabelReadError: The file as a whole can't be read.
    """
    tree = read_xml(data, file, 'annotation')
    return [box_id for box_id, _ in objects_of(tree, file, ('object',))]


def _box(box_id: str, element: Element) -> BoxLabel:
    category = require_text(element, 'name')
    hbox = polygon = None
    for tag in _BOX_TAGS:
        boxes = element.findall(tag)
        if len(boxes) > 1:
            raise BadBoxError(f'<object> has {len(boxes)} <{tag}>; give each an <object>')
        for box in boxes:
            hbox = numbers(box, _SIDES) if hbox is None else hbox
            polygon = numbers(box, _CORNERS) if polygon is None else polygon
            centred = numbers(box, _CENTRED)
            if centred is not None and polygon is None:
                if abs(centred[4]) > 2 * math.pi:
                    raise BadBoxError(
                        f'<angle> is {centred[4]:g}; it is in radians, so within 2 pi of 0'
                    )
                polygon = rotated_corners(centred[None])[0]
    if hbox is None and polygon is None:
        raise BadBoxError('<object> has no <bndbox> or <robndbox> with coordinates')
    corners = None if polygon is None else polygon.reshape(4, 2)
    more = marks_of(element)
    if corners is None and hbox is not None and (degrees := _rotation(element)):
        corners, note = turned(hbox.tolist(), degrees)
        hbox, more['notes'] = None, (*more.get('notes', ()), note)
    return BoxLabel(box_id, category, hbox=hbox, polygon=corners, **more)


def _rotation(element: Element) -> float:
    """Return the degrees of an object's ``attribute`` that is called ``rotation``, else 0."""
    found = [each.findtext('value') for each in element.iterfind('attributes/attribute')
             if (each.findtext('name') or '').strip() == 'rotation']  # fmt: skip
    return degrees_of(found[0]) if found else 0.0
