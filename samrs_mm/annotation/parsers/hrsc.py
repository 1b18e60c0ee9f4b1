"""HRSC2016 label files: XML with an H-Box and an R-Box for each ship."""

from samrs_mm.annotation.labels import BoxLabel, ParsedLabels
from samrs_mm.annotation.parsers.xml_tree import BadElementError, Element, read_boxes, read_xml

CATEGORY = 'ship'

_HBOX = ('box_xmin', 'box_ymin', 'box_xmax', 'box_ymax')
_RBOX = ('mbox_cx', 'mbox_cy', 'mbox_w', 'mbox_h', 'mbox_ang')


def parse_hrsc(data: bytes, file: str) -> ParsedLabels:
    """Read one HRSC2016 label file.

    H-Box and R-Box were annotated separately, so neither is made from the other. ``mbox_ang`` is
    taken as it stands: radians, along the long side, x right and y down (the ``header_x, header_y``
    of the files agree with that; negated, as BboxToolkit has it, they do not).

    Args:
        data: The file's bytes; often GB2312.
        file: Name for box ids, relative to the data root.

    Returns:
        Boxes with ``hbox`` or ``rotated`` or both set, all called 'ship', and one problem for each
        object that can't be read.

    Raises:
        LabelReadError: The file as a whole can't be read.
    """
    root = read_xml(data, file, 'HRSC_Image')
    objects = (obj for group in root.all('HRSC_Objects') for obj in group.all('HRSC_Object'))
    return read_boxes(objects, file, _box)


def _box(element: Element, box_id: str) -> BoxLabel:
    hbox, rotated = element.numbers(_HBOX), element.numbers(_RBOX)
    if hbox is None and rotated is None:
        raise BadElementError('<HRSC_Object> has neither box_xmin ... nor mbox_cx ...')
    return BoxLabel(box_id, CATEGORY, hbox=hbox, rotated=rotated)
