"""The record of an annotated image: ``instances/STEM.json``.

Once the record stands, the image is done; everything else in an annotated folder can be made
again from the records and the labels.
"""

import json
from pathlib import Path

import numpy as np

from samrs_mm.core import masks
from samrs_mm.formats.annotated.record import (  # noqa: F401
    BOX_STATUSES,
    DEGENERATE,
    EMPTY,
    FAILED,
    FILTERED,
    FORMAT,
    KEPT,
    OUTSIDE,
    RecordError,
)


def new_box(
    number: int, box_id: str, label: int, category: str, prompt: str, polygon: np.ndarray,
    scene_polygon: np.ndarray, prompt_box: np.ndarray | None, status: str, reason: str,
) -> dict:  # fmt: skip
    """Return the entry of a box before it has a mask.

    Args:
        number: Position in the image's label order, from 1.
        box_id: Place of the box in the labels.
        label: Class index; ``category_id`` is one more.
        category: Canonical class name.
        prompt: Name of the prompt setting.
        polygon: Corners ``(4, 2)`` in pixels of this image, unclipped.
        scene_polygon: Corners ``(4, 2)`` in pixels of the scene.
        prompt_box: ``(4,)`` x0, y0, x1, y1 that the segmentor sees, or None.
        status: One of ``BOX_STATUSES``, or ``'failed'``.
        reason: Why the box has no mask; empty otherwise.
    """
    return dict(
        id=number,
        box_id=box_id,
        category_id=label + 1,
        category=category,
        polygon=_numbers(polygon),
        scene_polygon=_numbers(scene_polygon),
        prompt=prompt,
        prompt_box=None if prompt_box is None else _numbers(prompt_box),
        status=status,
        reason=reason,
        score=None,
        stability=None,
        fill=None,
        coverage=None,
        leakage=None,
        components=None,
        at_border=None,
        bbox=None,
        area=0,
        visible_area=0,
        segmentation=None,
    )


def _numbers(array: np.ndarray) -> list:
    """Plain floats to 4 decimals; JSON has no NaN, so it becomes None."""
    if array.ndim > 1:
        return [_numbers(row) for row in array]
    return [round(float(v), 4) if np.isfinite(v) else None for v in array]


def load(path: Path) -> dict:
    """Return the record at ``path``.

    Raises:
        RecordError: Missing, not JSON, or without the keys of a record.
    """
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise RecordError(f'{path}: cannot read the record: {error.strerror}') from error
    except ValueError as error:
        raise RecordError(f'{path}: not a JSON record: {error}') from error
    if not isinstance(record, dict) or not {'image', 'signature', 'boxes'} <= record.keys():
        raise RecordError(f'{path}: not a record of this tool (image, signature, boxes)')
    return record


def load_masks(path: Path) -> dict:
    """Return the record at ``path``, its masks looked at: their runs fill the image.

    Raises:
        RecordError: As ``load``, or a box or mask is damaged.
    """
    record = load(path)
    try:
        size = [record['image']['height'], record['image']['width']]
        for box in record['boxes']:
            if (
                box['segmentation'] is not None
                and masks.checked(box['segmentation'])['size'] != size
            ):
                raise masks.MaskError(
                    f'a mask of {box["segmentation"]["size"]} in an image of {size}'
                )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f'no {error}' if isinstance(error, KeyError) else str(error)
        raise RecordError(f'{path}: damaged record: {reason}') from error
    return record
