"""Pascal VOC's label files, and those of DIOR and DIOR-R: XML with H-Boxes, R-Boxes, or both."""

from samrs_mm.core.boxes import BoxLabel
from samrs_mm.formats.boxes.labels import ParsedLabels
from samrs_mm.formats.boxes.xml_tree import BadElementError, Element, read_boxes, read_xml

_SIDES = ('xmin', 'ymin', 'xmax', 'ymax')
_CORNERS = tuple(
    f'{axis}_{corner}'
    for corner in ('left_top', 'right_top', 'right_bottom', 'left_bottom')
    for axis in 'xy'
)
_BOX_TAGS = ('bndbox', 'robndbox')


def parse_voc(data: bytes, file: str) -> ParsedLabels:
    """Read one label file of Pascal VOC, DIOR or DIOR-R.

    Some HBB files hold ``robndbox`` with ``xmin`` to ``ymax``, some objects of DIOR-R only
    ``bndbox``: so either tag and either set of children is taken in either kind of file.

    Args:
        data: The file's bytes.
        file: Name for box ids, relative to the data root.

    Returns:
        Boxes with ``hbox`` (from ``xmin`` ...) or ``polygon`` (from ``x_left_top`` ..., clockwise)
        or both set, and one problem for each object that can't be read.

    Raises:
        LabelReadError: The file as a whole can't be read.
    """
    return read_boxes(read_xml(data, file, 'annotation').all('object'), file, _box)


def _box(element: Element, box_id: str) -> BoxLabel:
    category = element.require_text('name')
    hbox = polygon = None
    for tag in _BOX_TAGS:
        for box in element.all(tag):
            hbox = box.numbers(_SIDES) if hbox is None else hbox
            polygon = box.numbers(_CORNERS) if polygon is None else polygon
    if hbox is None and polygon is None:
        raise BadElementError('<object> has no <bndbox> or <robndbox> with coordinates')
    corners = None if polygon is None else polygon.reshape(4, 2)
    return BoxLabel(box_id, category, hbox=hbox, polygon=corners)
