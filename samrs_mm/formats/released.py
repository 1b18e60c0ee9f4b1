"""The instance files of the SAMRS release, ``ins/*.pkl``, read without running what they hold.

A pickle is a program. This one may only build plain containers, and numpy arrays and numbers, which
are made here from their bytes: not one function of another library is called.
"""

import io
import math
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any, Literal

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import SamrsError

BOXES = {'bbox': (4,), 'rhbox': (4,), 'rbox': (4, 2)}
"""Shapes of what an instance may have as box: x0, y0, x1, y1, or four corners, in pixels."""

_NUMBERS = frozenset('?bhilqpBHILQPefd') | {
    f'{kind}{size}' for kind in 'iuf' for size in (2, 4, 8)
} | {'b1', 'i1', 'u1'}  # fmt: skip


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
        entries = _load(path.read_bytes())
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


def _load(data: bytes) -> Any:
    argument: Any
    for opcode, argument, _ in pickletools.genops(data):
        # pickle makes room for all places up to the one that is named, 16 bytes each
        if 'PUT' in opcode.name and argument > len(data):
            raise pickle.UnpicklingError(f'damaged: names place {argument} of {len(data)} bytes')
    return _Unpickler(io.BytesIO(data)).load()


def _kind(value: Any) -> str:
    return f'a {type(value).__name__}'


def _instance(entry: Any, number: int) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise TypeError(f'instance {number} is {_kind(entry)}, not a dict')
    category = _plain(entry.get('category'))
    # an early release had the class index under `category`
    label = _plain(entry.get('label', category))
    if type(label) is not int or not 0 <= label < UNLABELLED:
        raise ValueError(f'instance {number}: label {label!r} is not in 0..{UNLABELLED - 1}')
    size = _plain(entry.get('size'))
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
    sides = [_plain(side) for side in (size.array if isinstance(size, _Array) else size)]
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
    array = np.asarray(value.array if isinstance(value, _Array) else value, np.float64)
    if array.shape != BOXES[name]:
        raise ValueError(f'instance {number}: {name} has shape {array.shape}, not {BOXES[name]}')
    return array


def _plain(value: Any) -> Any:
    """Return numpy numbers and arrays of one number as Python's."""
    if isinstance(value, _Array) and value.array.size == 1:
        return value.array.item()
    return value.item() if isinstance(value, np.generic) else value


class _Dtype:
    """Stands for ``numpy.dtype``: a number type, and no other."""

    def __init__(self, name: str, *_: Any):
        if name not in _NUMBERS:
            raise pickle.UnpicklingError(f'asks for numpy data of type {name!r}, not numbers')
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple):
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for ``numpy.ndarray``; made from bytes, so that numpy sees no foreign state."""

    array = np.empty(0)
    """Nothing yet: a damaged pickle may never fill it."""

    def __setstate__(self, state: tuple):
        _, shape, kind, fortran, data = state
        self.array = _from_bytes(data, kind, shape, 'F' if fortran else 'C')


def _from_bytes(data: bytes, kind: _Dtype, shape: tuple, order: Literal['C', 'F']) -> np.ndarray:
    if not isinstance(kind, _Dtype) or math.prod(shape) * kind.dtype.itemsize != len(data):
        raise pickle.UnpicklingError(f'has an array whose bytes do not fill its shape {shape}')
    return np.frombuffer(data, kind.dtype).reshape(shape, order=order)


def _frombuffer(data: bytes, kind: _Dtype, shape: tuple, order: Literal['C', 'F']) -> _Array:
    array = _Array()
    array.array = _from_bytes(bytes(data), kind, shape, order)
    return array


_STAND_INS = {
    'numpy.dtype': _Dtype,
    'numpy.ndarray': _Array,
    '_codecs.encode': lambda text, _: text.encode('latin1'),
} | {
    # numpy 2 moved numpy.core to numpy._core, and a file may come from either side of that
    f'{core}.{name}': stand_in
    for core in ('numpy.core', 'numpy._core')
    for name, stand_in in (
        ('multiarray._reconstruct', lambda *_: _Array()),
        ('multiarray.scalar', lambda kind, data: _from_bytes(data, kind, (), 'C').item()),
        ('numeric._frombuffer', _frombuffer),
    )
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[f'{module}.{name}']
        except KeyError:
            raise pickle.UnpicklingError(
                f'asks for {module}.{name}, which no mask needs and which could run code; fetch '
                'the file from its real source'
            ) from None
