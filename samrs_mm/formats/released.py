"""The instance files of the SAMRS release, ``ins/*.pkl``."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import SamrsError
from samrs_mm.formats.plain_pickle import PlainArray, load_plain, plain_number

BOXES = {'bbox': (4,), 'rhbox': (4,), 'rbox': (4, 2)}
"""Shapes of what an instance may have as box: x0, y0, x1, y1, or four corners, in pixels."""


class ReleasedError(SamrsError):
    """A file of the release can't be read, or asks for more than data."""


def load_released(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Return the instances of an image of the SAMRS release, a file of ``ins/``, in its order.

    Of each: ``label``, the class index; ``category``, the name that the file gives (SOTA-RBB gives
    FAIR1M's names, so go by the label), None where it gives a number; ``mask``, COCO RLE with text
    counts, maybe empty; ``size``, the number of its pixels as the file says, or None; and of
    ``BOXES`` those that the file has, float64, unclipped.

    Raises:
        ReleasedError: Missing, damaged, not of this format, or a pickle that asks for code.
    """
    path = Path(path)
    try:
        entries = load_plain(path.read_bytes())
    except OSError as error:
        raise ReleasedError(f'{path}: cannot read it: {error.strerror}') from error
    except pickle.UnpicklingError as error:
        raise ReleasedError(f'{path}: {error}') from error
    except Exception as error:  # a damaged pickle may fail with any
        raise ReleasedError(f'{path}: damaged, or no pickle ({type(error).__name__})') from error
    if not isinstance(entries, list):
        raise ReleasedError(f'{path}: holds {_kind(entries)}, not a list of instances')
    try:
        return [_instance(entry, number) for number, entry in enumerate(entries)]
    except (KeyError, TypeError, ValueError) as error:
        reason = f'no {error}' if isinstance(error, KeyError) else str(error)
        raise ReleasedError(f'{path}: {reason}; not of the SAMRS release') from error


def _kind(value: Any) -> str:
    return f'a {type(value).__name__}'


def _instance(entry: Any, number: int) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise TypeError(f'instance {number} is {_kind(entry)}, not a dict')
    category = plain_number(entry.get('category'))
    # an early release had the class index under `category`
    label = plain_number(entry.get('label', category))
    if type(label) is not int or not 0 <= label < UNLABELLED:
        raise ValueError(f'instance {number}: label {label!r} is not in 0..{UNLABELLED - 1}')
    size = plain_number(entry.get('size'))
    if size is not None and (type(size) is not int or size < 0):
        raise ValueError(f'instance {number}: size {size!r} is not a number of pixels')
    boxes = {name: _box(entry[name], name, number) for name in BOXES if name in entry}
    return dict(
        label=label,
        category=category if isinstance(category, str) else None,
        mask=_mask(entry['mask'], number),
        size=size,
        **boxes,
    )


def _mask(mask: Any, number: int) -> dict[str, Any]:
    size, counts = mask['size'], mask['counts']
    sides = [plain_number(side) for side in (size.array if isinstance(size, PlainArray) else size)]
    if len(sides) != 2 or not all(type(side) is int and 0 < side < 2**16 for side in sides):
        raise ValueError(f'instance {number}: mask size {sides} is not [height, width]')
    if isinstance(counts, bytes):
        counts = counts.decode('ascii')
    if not isinstance(counts, str) or not counts.isascii():
        raise ValueError(f'instance {number}: mask counts are {_kind(counts)}, not ASCII text')
    try:
        return masks.checked(dict(size=sides, counts=counts))
    except masks.MaskError as error:
        raise ValueError(f'instance {number}: {error}') from error


def _box(value: Any, name: str, number: int) -> np.ndarray:
    array = np.asarray(value.array if isinstance(value, PlainArray) else value, np.float64)
    if array.shape != BOXES[name]:
        raise ValueError(f'instance {number}: {name} has shape {array.shape}, not {BOXES[name]}')
    return array
