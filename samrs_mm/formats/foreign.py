"""JSON and XML label files of tools whose formats are not read, told by their keys."""

import re
from pathlib import Path

CVAT_XML = "it is CVAT's XML: a cvat config reads it"
LABEL_STUDIO = 'it is of Label Studio: a labelstudio config reads it'

_HEAD = 1 << 16
_RESULTS = {'image_id', 'category_id', 'score'}
_TOOLS = (
    ('LabelMe or X-AnyLabeling', {'shapes', 'imagePath'},
     'a labelme config reads it'),
    ('VGG Image Annotator', {'_via_img_metadata'}, 'in VIA choose Annotation > Export (COCO)'),
    ('VGG Image Annotator', {'filename', 'regions'}, 'in VIA choose Annotation > Export (COCO)'),
    ('Label Studio', {'annotations', 'completed_by'}, 'a labelstudio config reads it'),
    ('Label Studio', {'annotations', 'data'}, 'a labelstudio config reads it'),
    ('Label Studio', {'label', 'image'}, 'a labelstudio config reads it'),
    ('CVAT', {'items', 'info', 'categories'}, 'in CVAT choose Export task dataset > COCO 1.0'),
    ('CreateML', {'image', 'annotations'}, 'export it as COCO or YOLO'),
    ('GeoJSON', {'features', 'type'}, 'shapes on a map are not read; export boxes in pixels'),
    ('Supervisely', {'objects', 'size'}, 'in Supervisely export to COCO or YOLO'),
    ('a Labelbox export', {'data_row', 'projects'}, 'convert it to COCO'),
    ('BDD100K or Scalabel', {'labels', 'name'}, 'convert it to COCO'),
)  # fmt: skip


def foreign_format(head: str) -> str:
    """Return what a label file that begins so is, and what its user can do; '' if unknown.

    Example:
        >>> foreign_format('{"version": "5.4", "shapes": [], "imagePath": "a.png"}')[:26]
        'it is of LabelMe or X-AnyLa'
    """
    text = head.lstrip('\ufeff \t\r\n')
    if text.startswith('<'):
        if '<annotations' in text and ('<meta' in text or '<image ' in text):
            return CVAT_XML
        return 'it is XML: VOC files become a COCO file by boxes_to_coco.py --from voc'
    keys = set(re.findall(r'"((?:[^"\\]|\\.)*)"\s*:', text))
    if text.startswith('[') and _RESULTS <= keys:
        return (
            'it is a list of COCO results: put it under "annotations", beside "images" and '
            '"categories"'
        )
    if {'annotations', 'categories'} <= keys and 'items' not in keys:
        return ''
    for tool, wanted, cure in _TOOLS:
        if wanted <= keys:
            return f'it is of {tool}: {cure}'
    return ''


def is_coco(path: Path) -> bool:
    """Whether a file looks like a COCO file, by the keys at its two ends."""
    keys = _keys_at_ends(path)
    return {b'images', b'annotations'} <= keys or {b'annotations', b'categories', b'bbox'} <= keys


def is_labelme(path: Path) -> bool:
    """Whether a file looks like one of LabelMe, by the keys at its two ends.

    A picture may be in between, as text.
    """
    return b'shapes' in _keys_at_ends(path)


def _keys_at_ends(path: Path) -> set[bytes]:
    """Return the keys at the beginning and the end of a JSON file; none if it can't be read."""
    try:
        with path.open('rb') as file:
            size = file.seek(0, 2)
            ends = b''
            for place in (0, max(0, size - _HEAD)):
                file.seek(place)
                ends += file.read(_HEAD)
    except OSError:
        return set()
    return set(re.findall(rb'"(\w+)"\s*:', ends))


def foreign_file(path: Path) -> str:
    """Return ``foreign_format`` of a file; '' if it can't be read."""
    try:
        with path.open('rb') as file:
            return foreign_format(file.read(_HEAD).decode('utf-8', errors='replace'))
    except OSError:
        return ''
