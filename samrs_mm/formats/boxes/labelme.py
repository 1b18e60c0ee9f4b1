"""Label files of LabelMe and X-AnyLabeling: a JSON file an image, with shapes."""

import base64
import binascii
import json
from typing import Any

import cv2
import numpy as np

from samrs_mm.core import masks, segmentations
from samrs_mm.core.boxes import BadBoxError, BoxLabel, stated_size
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.marks import flags_of
from samrs_mm.formats.boxes.shapes import (
    ImageShapes,
    around,
    corners,
    pairs,
    polygon,
    short,
    text_label,
)

_TURNED = ('rotation', 'oriented_rectangle')
_PARTS = ('polygon', 'mask')
NO_SIZE = 'the pixels of its mask are not kept: the file states no size that holds them'


def parse_labelme(data: bytes, file: str) -> ImageShapes:
    """Read one label file, called ``file`` in box ids ``FILE:shapes[ROW]``.

    A ``rectangle`` (two or four corners) and a ``circle`` give an H-Box, ``rotation`` of
    X-AnyLabeling and ``oriented_rectangle`` of LabelMe an R-Box, ``polygon`` and ``mask`` an H-Box
    and a true mask. Those of one label and ``group_id`` are parts of one object, called as the
    first. Points and lines are no boxes.

    Raises:
        LabelReadError: No JSON, or no file of these tools.
    """
    entries = _entries(data, file)
    found = ImageShapes(str(entries.get('imagePath') or ''))
    found.labels.size = stated_size(entries.get('imageWidth'), entries.get('imageHeight'))
    groups: dict[tuple[str, Any], _Parts] = {}
    for row, shape in enumerate(entries['shapes']):
        box_id = f'{file}:shapes[{row}]'
        try:
            kind, group = _kind(shape), shape.get('group_id')
            if kind in _PARTS and isinstance(group, int | str):
                part = part_of(shape, found.labels.size)
                groups.setdefault((text_label(shape.get('label')), group), _Parts()).append(
                    box_id, part, _flags(shape)
                )
            else:
                found.add(*_box(box_id, shape, found.labels.size))
        except BadBoxError as error:
            found.labels.add_problem(box_id, str(error))
    for (label, group), parts in groups.items():
        found.add(*parts.box(label, group, found.labels.size))
    found.labels.boxes.sort(key=lambda box: int(box.box_id[len(file) + 8 : -1]))
    return found


def _entries(data: bytes, file: str) -> dict[str, Any]:
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = 'nested too deeply' if isinstance(error, RecursionError) else error
        raise LabelReadError(f'{file}: no JSON: {reason}') from error
    if not isinstance(entries, dict) or not isinstance(entries.get('shapes'), list):
        raise LabelReadError(f'{file}: has no list of shapes, as LabelMe and X-AnyLabeling write')
    return entries


def _kind(shape: Any) -> str:
    if not isinstance(shape, dict):
        raise BadBoxError(f'{short(shape)} is no shape')
    return str(shape.get('shape_type', 'polygon'))


def _box(box_id: str, shape: dict[str, Any], size: tuple[int, int] | None) -> tuple[BoxLabel, Any]:
    """Return the box of a shape, and its true mask or None."""
    kind, label = _kind(shape), text_label(shape.get('label'))
    flags, notes = _flags(shape)
    more: dict[str, Any] = dict(flags=flags, notes=notes)
    if kind in _PARTS:
        hbox, truth = part_of(shape, size)
        if truth is None:
            more['notes'] += (NO_SIZE,)
        return BoxLabel(box_id, label, hbox=hbox, **more), truth
    points = pairs(shape.get('points'))
    if kind in _TURNED:
        return BoxLabel(box_id, label, polygon=corners(points, kind), **more), None
    if kind == 'rectangle':
        return BoxLabel(box_id, label, hbox=around(points, kind, (2, 4)), **more), None
    if kind == 'circle' and len(points) == 2:
        radius = float(np.hypot(*(points[1] - points[0])))
        hbox = np.concatenate([points[0] - radius, points[0] + radius])
        return BoxLabel(box_id, label, hbox=hbox, **more), None
    raise BadBoxError(
        f'shape_type {short(kind)} is no box; read are rectangle, {", ".join(_TURNED)}, circle, '
        f'{", ".join(_PARTS)}'
    )


def _flags(shape: dict[str, Any]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the marks of a shape, which LabelMe's users put among its ``flags``, and notes."""
    inner = shape.get('flags')
    return flags_of({**inner, **shape} if isinstance(inner, dict) else shape)


def part_of(shape: dict[str, Any], size: tuple[int, int] | None) -> tuple[np.ndarray, Any]:
    """Return H-Box and true mask of a polygon or mask, for an image of ``size`` width, height.

    The mask is None where it reaches out of the image, or that has no size.

    Raises:
        BadBoxError: Neither of them, or one without a pixel.
    """
    points = pairs(shape.get('points'))
    if _kind(shape) == 'polygon':
        return polygon(points)
    if len(points) != 2:
        raise BadBoxError(f'a mask of {len(points)} points; allowed: 2 corners')
    inside = _picture(shape.get('mask'))
    x, y = np.floor(points.min(axis=0)).astype(int).tolist()
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        raise BadBoxError('a mask without a pixel')
    hbox = np.array([x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1], float)
    if size is None or hbox[:2].min() < 0 or (hbox[2:] > size).any():
        return hbox, None
    inside = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    coded = masks.encode_window(inside, int(hbox[1]), int(hbox[0]), size[1], size[0])
    return hbox, dict(coded)


def _picture(text: Any) -> np.ndarray:
    """Return the pixels ``(H, W)`` bool of a mask, which is a PNG in base64."""
    try:
        data = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
        inside = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    except (TypeError, ValueError, binascii.Error, cv2.error):
        inside = None
    if inside is None:
        raise BadBoxError(f'mask is {short(text)}; allowed: a PNG in base64')
    return inside > 0


class _Parts:
    """Parts of one object."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.hboxes: list[np.ndarray] = []
        self.truths: list[Any] = []
        self.flags: dict[str, int] = {}
        self.notes: tuple[str, ...] = ()

    def append(
        self, box_id: str, part: tuple[np.ndarray, Any], more: tuple[dict, tuple[str, ...]]
    ) -> None:
        """Take a part, with flags and notes."""
        self.ids.append(box_id)
        self.hboxes.append(part[0])
        self.truths.append(part[1])
        self.flags |= more[0]
        self.notes += more[1]

    def box(
        self, label: str, group: int | str, size: tuple[int, int] | None
    ) -> tuple[BoxLabel, Any]:
        """Return the box around all parts, and the true mask of them."""
        hboxes, notes = np.array(self.hboxes), self.notes
        if len(self.ids) > 1:
            notes += (f'{len(self.ids)} shapes of group_id {group}: parts of one object',)
        notes += (NO_SIZE,) * any(truth is None for truth in self.truths)
        hbox = np.concatenate([hboxes[:, :2].min(axis=0), hboxes[:, 2:].max(axis=0)])
        box = BoxLabel(self.ids[0], label, hbox=hbox, flags=self.flags, notes=notes)
        return box, self._truth(size)

    def _truth(self, size: tuple[int, int] | None) -> Any:
        if any(truth is None for truth in self.truths):
            return None
        rings = [ring for truth in self.truths if isinstance(truth, list) for ring in truth]
        coded = [truth for truth in self.truths if isinstance(truth, dict)]
        if not coded:
            return rings
        assert size is not None
        if rings and (drawn := segmentations.from_coco(rings, size[1], size[0])):
            coded.append(drawn)
        return masks.encode(np.any([masks.decode(each) for each in coded], axis=0))
