"""LabelMe's JSON, which X-AnyLabeling has as well: out, and back by ``box_id``.

Both tools write back keys that they do not know, of shapes and of the whole: each shape carries its
``box_id`` and ``part``, the file a ``samrs_mm`` with what was shown. Shapes of one mask share their
``group_id``.
Sources: https://github.com/wkentaro/labelme, https://github.com/CVHub520/X-AnyLabeling.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core.boxes import BadBoxError
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.boxes.labelme import part_of
from samrs_mm.formats.corrections.shapes import (
    EditedImage,
    EditError,
    Shape,
    Shown,
    check_size,
    mask_digest,
    parsed,
    rectangle,
    ring_around,
    ring_digest,
    ring_of,
)
from samrs_mm.formats.exports.outlines import Outline, outline

OURS = 'samrs_mm'
"""Key of a file with what was shown in it."""
VERSION = '5.0.0'
AREAS = ('polygon', 'rectangle', 'rotation', 'oriented_rectangle', 'circle', 'mask')
"""Shape types that cover an area, of both tools or one."""


def labelme_file(
    stem: str, record: Record, boxes: Sequence[BoxEntry], image: str
) -> tuple[dict[str, Any], list[Outline]]:
    """Return what LabelMe reads of an image, and the outlines of the masks.

    Args:
        stem: Name of the image.
        record: Its record.
        boxes: The boxes of it to show, each with a mask.
        image: Its image file, as seen from the JSON file.
    """
    shapes, shown, outlines = [], {}, []
    for box in boxes:
        found = outline(box.mask)
        outlines.append(found)
        rings = [part.astype(float).tolist() for part in found.parts]
        shown[box.box_id] = asdict(
            Shown(mask_digest(box), box.category, [ring_digest(ring) for ring in rings])
        )
        shapes += [
            dict(
                label=box.category, points=ring, group_id=box.id, description='',
                shape_type='polygon', flags={}, score=box.score, box_id=box.box_id, part=part,
            )
            for part, ring in enumerate(rings)
        ]  # fmt: skip
    about = dict(
        version=VERSION, flags={}, checked=False, shapes=shapes, imagePath=image, imageData=None,
        imageHeight=record.image.height, imageWidth=record.image.width,
    )  # fmt: skip
    return about | {OURS: dict(stem=stem, shown=shown)}, outlines


def is_labelme(data: Any) -> bool:
    """Whether parsed JSON is of LabelMe or X-AnyLabeling."""
    return isinstance(data, dict) and {'shapes', 'imagePath'} <= data.keys()


def read_labelme(path: Path) -> EditedImage:
    """Read a file of LabelMe or X-AnyLabeling.

    Raises:
        EditError: Not such a file, or a shape in it that covers no area.
    """
    try:
        data = parsed(path)
        if not is_labelme(data):
            raise ValueError('not of LabelMe or X-AnyLabeling (no shapes and imagePath)')
        return _edited(path, data)
    except OSError as error:
        raise EditError(f'{path}: cannot read it: {error.strerror}') from error
    except ValueError as error:
        raise EditError(f'{path}: {error}') from error


def _edited(path: Path, data: dict[str, Any]) -> EditedImage:
    ours = data.get(OURS) or {}
    if not isinstance(ours, dict) or not isinstance(data['shapes'], list):
        raise ValueError(f'shapes is {data["shapes"]!r:.40}; expected a list')
    width, height = data.get('imageWidth'), data.get('imageHeight')
    if type(width) is not int or type(height) is not int or min(width, height) < 1:
        raise ValueError(f'imageWidth and imageHeight are {width!r}, {height!r}; expected pixels')
    check_size(width, height, 'the image')
    try:
        shown = {key: Shown(**value) for key, value in ours['shown'].items()} if ours else None
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f'{OURS} is not what export_dataset.py wrote ({error})') from error
    size = width, height
    shapes = [_shape(entry, f'shapes[{n}]', size) for n, entry in enumerate(data['shapes'])]
    name = Path(str(data['imagePath']).replace('\\', '/')).stem
    return EditedImage(
        file=path,
        stem=str(ours.get('stem') or name),
        width=width,
        height=height,
        shapes=shapes,
        shown=shown,
        checked=data.get('checked') is True,
    )


def _shape(entry: Any, place: str, size: tuple[int, int]) -> Shape:
    if not isinstance(entry, dict) or not isinstance(entry.get('label'), str):
        raise ValueError(f'{place} is {entry!r:.60}; expected a shape with a label')
    kind = entry.get('shape_type') or 'polygon'
    if kind not in AREAS:
        raise ValueError(f'{place}.shape_type is {kind!r:.40}; allowed: {", ".join(AREAS)}')
    box_id, part = entry.get('box_id'), entry.get('part')
    return Shape(
        place,
        entry['label'],
        None if kind == 'mask' else _ring(entry, kind, place),
        _mask(entry, place, size) if kind == 'mask' else None,
        box_id=box_id if isinstance(box_id, str) else None,
        part=part if type(part) is int else None,
        group=entry.get('group_id'),
    )


def _ring(entry: dict[str, Any], kind: str, place: str) -> np.ndarray:
    ring = ring_of(entry.get('points'), place)
    if kind == 'rectangle' and len(ring) == 2:
        (x0, y0), (x1, y1) = ring.min(axis=0), ring.max(axis=0)
        return rectangle(x0, y0, x1, y1)
    if kind == 'circle':
        if len(ring) != 2:
            raise ValueError(f'{place} is a circle of {len(ring)} points; expected centre and rim')
        return ring_around(ring[0], *[np.hypot(*(ring[1] - ring[0]))] * 2)
    return ring


def _mask(entry: dict[str, Any], place: str, size: tuple[int, int]) -> dict[str, Any]:
    """Return LabelMe's mask, a picture in a window, as RLE of the image."""
    try:
        _, mask = part_of(entry, size)
    except BadBoxError as error:
        raise ValueError(f'{place}: {error}') from error
    if mask is None:
        raise ValueError(f'{place}: a mask beyond the image of {size[0]} x {size[1]} px')
    return mask
