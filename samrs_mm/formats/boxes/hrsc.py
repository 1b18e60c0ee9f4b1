"""HRSC2016 label files: XML with an H-Box and an R-Box for each ship."""

from collections.abc import Iterator

from samrs_mm.core.boxes import BoxLabel
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.labels import ParsedLabels, PlaceNamer
from samrs_mm.formats.boxes.xml_tree import BadElementError, Element, read_boxes, read_xml

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
    return read_boxes(_objects(data, file), file, _box)


def mask_colours(data: bytes, file: str) -> dict[str, tuple[int, int, int]]:
    """Return the colours under which a file's objects are drawn in its picture of masks.

    Args:
        data: The file's bytes; often GB2312.
        file: Name for box ids, relative to the data root.

    Returns:
        ``<seg_color>`` as RGB by box id, of the objects where it isn't missing or blank (most
        files of the release have none).

    Raises:
        LabelReadError: The file as a whole can't be read, or a colour is none.
    """
    colours, name_place = {}, PlaceNamer(file)
    for element in _objects(data, file):
        place = name_place(element.line)
        found = element.first('seg_color')
        if found is None or not found.text:
            continue
        parts = [part.strip() for part in found.text.split(',')]
        if len(parts) != 3 or not all(p.isdecimal() and int(p) < 256 for p in parts):
            raise LabelReadError(
                f'{place}: <seg_color> is {found.text[:60]!r}; allowed: three numbers r,g,b to 255'
            )
        colours[place] = tuple(map(int, parts))
    return colours


def _objects(data: bytes, file: str) -> Iterator[Element]:
    root = read_xml(data, file, 'HRSC_Image')
    return (obj for group in root.all('HRSC_Objects') for obj in group.all('HRSC_Object'))


def _box(element: Element, box_id: str) -> BoxLabel:
    hbox, rotated = element.numbers(_HBOX), element.numbers(_RBOX)
    if hbox is None and rotated is None:
        raise BadElementError('<HRSC_Object> has neither box_xmin ... nor mbox_cx ...')
    return BoxLabel(box_id, CATEGORY, hbox=hbox, rotated=rotated)
