"""``CVAT for images 1.1``: an XML file of all images.

Source of the format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/.
"""

from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.xml_tree import read_xml
from samrs_mm.formats.corrections.shapes import (
    FARTHEST,
    EditedImage,
    EditError,
    Shape,
    check_size,
    rectangle,
    ring_around,
    ring_of,
)

ROOT = 'annotations'
_BOX = 'xtl', 'ytl', 'xbr', 'ybr'
_WINDOW = 'left', 'top', 'width', 'height'
BOX_ID = 'box_id'
"""Attribute of a shape with the box that it was made of; without one it is found by its place."""


def read_cvat(path: Path) -> list[EditedImage | EditError]:
    """Return the images of a file, or why one of them can't be read.

    Raises:
        EditError: Not such a file.
    """
    try:
        tree = read_xml(path.read_bytes(), str(path), ROOT)
    except OSError as error:
        raise EditError(f'{path}: cannot read it: {error.strerror}') from error
    except LabelReadError as error:
        raise EditError(str(error)) from error
    images = tree.findall('image')
    if not images:
        raise EditError(f'{path}: no <image>; export it from CVAT as "CVAT for images 1.1"')
    return [_image(path, each) for each in images]


def _image(path: Path, element: Element) -> EditedImage | EditError:
    name = element.get('name', '')
    try:
        width, height = map(int, _numbers(element, ('width', 'height'), name))
        check_size(width, height, f'image {name!r}')
        shapes = [
            _shape(child, f'{name}: shape {number}', width, height)
            for number, child in enumerate(child for child in element if child.tag != 'tag')
        ]
    except ValueError as error:
        return EditError(f'{path}: {error}')
    stem = PurePosixPath(name.replace('\\', '/')).stem
    return EditedImage(path, stem, width, height, shapes, retraced=True)


def _shape(element: Element, place: str, width: int, height: int) -> Shape:
    box_id = next(
        (each.text for each in element.iter('attribute') if each.get('name') == BOX_ID), None
    )
    group = element.get('group_id', '0')
    facts: dict[str, Any] = dict(
        place=place, label=element.get('label', ''), box_id=box_id,
        group=None if group == '0' else group,
    )  # fmt: skip
    if element.tag == 'mask':
        return Shape(**facts, mask=_mask(element, place, width, height))
    if element.tag == 'polygon':
        points = [point.split(',') for point in element.get('points', '').split(';')]
        try:
            ring = ring_of(points, place)
        except ValueError as error:
            raise ValueError(f'{place}: points are {element.get("points")!r:.40}') from error
        return Shape(**facts, ring=ring)
    if element.tag == 'box':
        corners = rectangle(*_numbers(element, _BOX, place))
        return Shape(**facts, ring=_turned(corners, element, place), bare=True)
    if element.tag == 'ellipse':
        cx, cy, rx, ry = _numbers(element, ('cx', 'cy', 'rx', 'ry'), place)
        return Shape(**facts, ring=_turned(ring_around([cx, cy], rx, ry), element, place))
    raise ValueError(f'{place} is a <{element.tag}>; allowed: <mask>, <polygon>, <box>, <ellipse>')


def _numbers(element: Element, names: tuple[str, ...], place: str) -> list[float]:
    found = [element.get(name, '') for name in names]
    try:
        values = [float(text) for text in found]
    except ValueError:
        values = [np.nan]
    if not (np.abs(values) < FARTHEST).all():
        raise ValueError(f'{place}: {", ".join(names)} are {found!r:.60}, not numbers')
    return values


def _turned(ring: np.ndarray, element: Element, place: str) -> np.ndarray:
    """Return a ring ``(K, 2)`` as CVAT shows it: turned about its centre, clockwise on screen."""
    angle = 0.0
    if element.get('rotation'):
        angle = np.deg2rad(_numbers(element, ('rotation',), place)[0])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = ring.mean(axis=0)
    return (ring - centre) @ turn + centre


def _mask(element: Element, place: str, width: int, height: int) -> dict:
    """Return a mask: run lengths row by row in a window, the first of zeros."""
    left, top, w, h = map(int, _numbers(element, _WINDOW, place))
    if left < 0 or top < 0 or left + w > width or top + h > height:
        raise ValueError(f'{place}: a mask beyond the image of {width} x {height} px')
    text = element.get('rle', '')
    if not all(run.strip().isdecimal() for run in text.split(',')):
        raise ValueError(f'{place}: rle is {text!r:.40}; expected whole numbers')
    runs = np.array([int(run) for run in text.split(',')])
    if runs.sum() != w * h:
        raise ValueError(f'{place}: its runs do not fill its {w} x {h} px')
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(h, w)
    return dict(masks.encode_window(pixels, top, left, height, width))
