"""COCO files that come back, such as those of CVAT and FiftyOne.

FiftyOne traces every mask anew when it exports, touched or not; see ``retraced``.
"""

from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core import segmentations
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.coco import read_coco
from samrs_mm.formats.corrections.shapes import (
    FARTHEST,
    EditedImage,
    EditError,
    Shape,
    check_size,
    rectangle,
)


def read_coco_edits(path: Path) -> list[EditedImage | EditError]:
    """Return the images of a COCO file, or why one of them can't be read.

    Regions (``iscrowd`` 1) stay what they are.

    Raises:
        EditError: Not a COCO file.
    """
    lists: dict[str, list[Any]] = dict(images=[], annotations=[], categories=[])
    try:
        with open(path, 'rb') as file:
            for name, _, entry in read_coco(file, str(path)):
                lists[name].append(entry)
        names = {each['id']: str(each['name']) for each in lists['categories']}
        by_image: dict[Any, list[tuple[int, dict]]] = {each['id']: [] for each in lists['images']}
        for number, each in enumerate(lists['annotations']):
            if each['image_id'] not in by_image:
                raise EditError(f'{path}: annotations[{number}]: no image {each["image_id"]!r:.40}')
            if not each.get('iscrowd'):
                by_image[each['image_id']].append((number, each))
    except OSError as error:
        raise EditError(f'{path}: cannot read it: {error.strerror}') from error
    except LabelReadError as error:
        raise EditError(str(error)) from error
    except (AttributeError, KeyError, TypeError) as error:
        raise EditError(f'{path}: an entry without {error}') from error
    return [_image(path, each, by_image[each['id']], names) for each in lists['images']]


def _image(
    path: Path, image: dict, annotations: list[tuple[int, dict]], names: dict
) -> EditedImage | EditError:
    try:
        width, height = image['width'], image['height']
        if not all(type(side) is int and side > 0 for side in (width, height)):
            raise ValueError(f'image {image["id"]!r:.40} is of {width!r} x {height!r} px')
        check_size(width, height, f'image {image["id"]!r:.40}')
        stem = str(image.get('stem') or Path(str(image['file_name']).replace('\\', '/')).stem)
        shapes = [
            shape
            for number, each in annotations
            for shape in _shapes(each, f'annotations[{number}]', names, height, width)
        ]
    except KeyError as error:
        return EditError(f'{path}: an entry without {error}')
    except (TypeError, ValueError) as error:
        return EditError(f'{path}: {error}')
    return EditedImage(path, stem, width, height, shapes, retraced=True, line=True)


def _shapes(entry: dict, place: str, names: dict, height: int, width: int) -> list[Shape]:
    """Return the shapes of an annotation: one of a mask, one for each polygon."""
    if entry['category_id'] not in names:
        raise ValueError(f'{place}.category_id is {entry["category_id"]!r:.40}: no such category')
    box_id = entry.get('box_id')
    facts: dict[str, Any] = dict(
        place=place,
        label=names[entry['category_id']],
        box_id=box_id if isinstance(box_id, str) and box_id else None,
        group=place,
    )
    found = entry.get('segmentation')
    if isinstance(found, list) and found:
        try:
            segmentations.check_polygons(found)
        except ValueError as error:
            raise ValueError(f'{place}: {error}') from error
        return [Shape(**facts, ring=np.reshape(ring, (-1, 2)).astype(float)) for ring in found]
    try:
        mask = segmentations.from_coco(found, height, width)
    except ValueError as error:
        raise ValueError(f'{place}: {error}') from error
    if mask is None:
        return [Shape(**facts, ring=_corners(entry.get('bbox'), place), bare=True)]
    return [Shape(**facts, mask=mask)]


def _corners(bbox: Any, place: str) -> np.ndarray:
    """Return the corners ``(4, 2)`` of a COCO bbox."""
    try:
        x, y, width, height = (float(value) for value in bbox)
    except (OverflowError, TypeError, ValueError):
        x = y = width = height = np.nan
    if not (np.abs([x, y, width, height]) < FARTHEST).all():
        raise ValueError(f'{place}.bbox is {bbox!r:.40}; expected [x, y, width, height] in pixels')
    return rectangle(x, y, x + width, y + height)
