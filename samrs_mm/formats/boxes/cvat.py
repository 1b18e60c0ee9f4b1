"""CVAT's XML for images (1.1): all images of a task or project in one file."""

from collections import Counter
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.boxes import BadBoxError, BoxLabel, stated_size, to_float
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.marks import degrees_of, turned
from samrs_mm.formats.boxes.shapes import ImageShapes, number, polygon, text_label
from samrs_mm.formats.boxes.xml_tree import read_xml

SHAPES = ('box', 'polygon', 'mask', 'ellipse')
_NO_BOXES = ('polyline', 'points', 'cuboid', 'skeleton')
_LABELS = ('task', 'project', 'job')
MAX_BYTES = 256 * 2**20
"""One file holds a whole project: some 500,000 polygons."""


def parse_cvat(data: bytes, file: str) -> tuple[list[ImageShapes], list[str]]:
    """Read a file, called ``file`` in box ids ``FILE:LINE`` (the k-th of a line ``FILE:LINE.k``).

    A ``box`` is an H-Box, with ``rotation`` an R-Box; an ``ellipse`` likewise; ``polygon`` and
    ``mask`` give an H-Box and a true mask. Polylines, points, cuboids and skeletons are no boxes;
    tags are of the image, not of objects.

    Returns:
        The images in their order, and the names of the labels in theirs.

    Raises:
        LabelReadError: No XML of CVAT for images; it is hostile; or it holds tracks of a video.
    """
    tree = read_xml(data, file, 'annotations', MAX_BYTES)
    if (track := tree.find('track')) is not None:
        raise LabelReadError(
            f'{file}:{track.attrib["line"]}: <track>: this is CVAT for video; export the task as '
            'CVAT for images 1.1'
        )
    names = [
        (element.text or '').strip()
        for kind in _LABELS
        for element in tree.iterfind(f'meta/{kind}/labels/label/name')
    ]
    lines: Counter[str] = Counter()
    found = [_image(element, file, lines) for element in tree.iterfind('image')]
    return found, list(dict.fromkeys(filter(None, names)))


def _image(element: Element, file: str, lines: Counter[str]) -> ImageShapes:
    """Return the shapes of an image, in the file's order; ``lines`` counts those of each line."""
    get = element.attrib.get
    image = ImageShapes(get('name', ''), subset=get('subset', ''))
    size = image.labels.size = stated_size(get('width'), get('height'))
    for shape in element:
        if shape.tag not in (*SHAPES, *_NO_BOXES):
            continue
        line = shape.attrib['line']
        lines[line] += 1
        box_id = f'{file}:{line}' + f'.{lines[line]}' * (lines[line] > 1)
        try:
            image.add(*_box(box_id, shape, size))
        except BadBoxError as error:
            image.labels.add_problem(box_id, str(error))
    return image


def _box(box_id: str, shape: Element, size: tuple[int, int] | None) -> tuple[BoxLabel, Any]:
    """Return the box of a shape, and its true mask or None."""
    label = text_label(shape.attrib.get('label'))
    if shape.tag not in _READERS:
        raise BadBoxError(f'a {shape.tag} is no box; read are {", ".join(SHAPES)}')
    flags = {'occluded': 1} if shape.attrib.get('occluded') == '1' else {}
    form, truth = _READERS[shape.tag](shape, size)
    return BoxLabel(box_id, label, flags=flags, **form), truth


def _upright(shape: Element, size: tuple[int, int] | None) -> tuple[dict[str, Any], Any]:
    hbox = _numbers(shape, ('xtl', 'ytl', 'xbr', 'ybr'))
    return _turned_by(shape, hbox), None


def _ellipse(shape: Element, size: tuple[int, int] | None) -> tuple[dict[str, Any], Any]:
    cx, cy, rx, ry = _numbers(shape, ('cx', 'cy', 'rx', 'ry'))
    return _turned_by(shape, [cx - rx, cy - ry, cx + rx, cy + ry]), None


def _turned_by(shape: Element, hbox: list[float]) -> dict[str, Any]:
    degrees = degrees_of(_number(shape.attrib.get('rotation', '0'), 'rotation'))
    if not degrees:
        return dict(hbox=np.array(hbox))
    corners, note = turned(hbox, degrees)
    return dict(polygon=corners, notes=(note,))


def _polygon(shape: Element, size: tuple[int, int] | None) -> tuple[dict[str, Any], Any]:
    text = shape.attrib.get('points', '')
    values = [pair.split(',') for pair in text.split(';') if pair.strip()]
    if any(len(pair) != 2 for pair in values):
        raise BadBoxError(f'points are {text[:40]!r}; allowed: x,y;x,y;x,y ...')
    points = [[_number(value, 'points') for value in pair] for pair in values]
    hbox, truth = polygon(np.array(points).reshape(-1, 2))
    return dict(hbox=hbox), truth


def _mask(shape: Element, size: tuple[int, int] | None) -> tuple[dict[str, Any], Any]:
    """Read run lengths, row by row within ``left``, ``top``, ``width``, ``height``."""
    left, top, width, height = map(int, _numbers(shape, ('left', 'top', 'width', 'height')))
    text = shape.attrib.get('rle', '')
    runs = [run.strip() for run in text.split(',')]
    if not all(run.isdecimal() and len(run) < 10 for run in runs):
        raise BadBoxError(f'rle is {text[:40]!r}; allowed: whole numbers')
    counts = np.array(runs, np.int64)
    if width < 1 or height < 1 or counts.sum() != width * height:
        raise BadBoxError(
            f'rle has {counts.sum()} pixels, but width and height are {width} and {height}'
        )
    if size is not None and (width > size[0] or height > size[1]):
        raise BadBoxError(f'a mask of {width} x {height} px in an image of {size[0]} x {size[1]}')
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        raise BadBoxError('a mask without a pixel')
    x0, y0 = left + int(columns[0]), top + int(rows[0])
    x1, y1 = left + int(columns[-1]) + 1, top + int(rows[-1]) + 1
    form: dict[str, Any] = dict(hbox=np.array([x0, y0, x1, y1], float))
    if size is None or min(x0, y0) < 0 or x1 > size[0] or y1 > size[1]:
        return form | dict(notes=('its pixels are not kept: they reach out of the image',)), None
    part = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return form, dict(masks.encode_window(part, y0, x0, size[1], size[0]))


def _numbers(shape: Element, keys: tuple[str, ...]) -> list[float]:
    missing = [key for key in keys if not shape.attrib.get(key)]
    if missing:
        raise BadBoxError(f'<{shape.tag}> lacks {", ".join(missing)}')
    return [_number(shape.attrib[key], key) for key in keys]


def _number(text: str, key: str) -> float:
    return number(to_float(text, f'{key} is {text[:40]!r}, not a number'), key)


_Reader = Callable[[Element, tuple[int, int] | None], tuple[dict[str, Any], Any]]
_READERS: dict[str, _Reader] = dict(box=_upright, polygon=_polygon, mask=_mask, ellipse=_ellipse)
