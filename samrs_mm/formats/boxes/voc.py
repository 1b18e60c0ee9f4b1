"""Pascal VOC's label files, and those of DIOR and DIOR-R: XML with H-Boxes, R-Boxes, or both."""

from samrs_mm.core.boxes import BadBoxError, BoxLabel, ParsedLabels, read_boxes
from samrs_mm.formats.boxes.xml_tree import Element, numbers, read_objects, require_text

_SIDES = ('xmin', 'ymin', 'xmax', 'ymax')
_CORNERS = tuple(
    f'{axis}_{corner}'
    for corner in ('left_top', 'right_top', 'right_bottom', 'left_bottom')
    for axis in 'xy'
)
_BOX_TAGS = ('bndbox', 'robndbox')


def parse_voc(data: bytes, file: str) -> ParsedLabels:
    """Read one label file of Pascal VOC, DIOR or DIOR-R, called ``file`` in box ids.

    Some HBB files hold ``robndbox`` with ``xmin`` to ``ymax``, some objects of DIOR-R only
    ``bndbox``: so either tag and either set of children is taken in either kind of file. They give
    ``hbox`` (from ``xmin`` ...) or ``polygon`` (from ``x_left_top`` ..., clockwise) or both.

    Raises:
        LabelReadError: The file as a whole can't be read.
    """
    return read_boxes(read_objects(data, file, 'annotation', 'object'), _box)


def _box(box_id: str, element: Element) -> BoxLabel:
    category = require_text(element, 'name')
    hbox = polygon = None
    for tag in _BOX_TAGS:
        for box in element.iterfind(tag):
            hbox = numbers(box, _SIDES) if hbox is None else hbox
            polygon = numbers(box, _CORNERS) if polygon is None else polygon
    if hbox is None and polygon is None:
        raise BadBoxError('<object> has no <bndbox> or <robndbox> with coordinates')
    corners = None if polygon is None else polygon.reshape(4, 2)
    return BoxLabel(box_id, category, hbox=hbox, polygon=corners)
