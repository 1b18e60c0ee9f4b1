"""Pickles of plain data, read without running what they hold.

A pickle is a program. This one may only build plain containers, and numpy arrays and numbers, which
are made here from their bytes: not one function of another library is called.
"""

import io
import math
import pickle
import pickletools
from typing import Any, Literal

import numpy as np

_NUMBERS = frozenset('?bhilqpBHILQPefd') | {
    f'{kind}{size}' for kind in 'iuf' for size in (2, 4, 8)
} | {'b1', 'i1', 'u1'}  # fmt: skip


def load_plain(data: bytes) -> Any:
    """Return what a pickle holds, with ``PlainArray`` for numpy's arrays.

    Raises:
        pickle.UnpicklingError: It asks for more than plain data, or is damaged; a damaged one may
            fail with any other error, too.
    """
    argument: Any
    for opcode, argument, _ in pickletools.genops(data):
        # pickle makes room for all places up to the one that is named, 16 bytes each
        if 'PUT' in opcode.name and argument > len(data):
            raise pickle.UnpicklingError(f'damaged: names place {argument} of {len(data)} bytes')
    return _Unpickler(io.BytesIO(data)).load()


def plain_number(value: Any) -> Any:
    """Return numpy numbers and arrays of one number as Python's."""
    if isinstance(value, PlainArray) and value.array.size == 1:
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


class PlainArray:
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


def _frombuffer(data: bytes, kind: _Dtype, shape: tuple, order: Literal['C', 'F']) -> PlainArray:
    array = PlainArray()
    array.array = _from_bytes(bytes(data), kind, shape, order)
    return array


_STAND_INS = {
    'numpy.dtype': _Dtype,
    'numpy.ndarray': PlainArray,
    '_codecs.encode': lambda text, _: text.encode('latin1'),
} | {
    # numpy 2 moved numpy.core to numpy._core, and a file may come from either side of that
    f'{core}.{name}': stand_in
    for core in ('numpy.core', 'numpy._core')
    for name, stand_in in (
        ('multiarray._reconstruct', lambda *_: PlainArray()),
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
                f'asks for {module}.{name}, which plain data do not need and which could run '
                'code; fetch the file from its real source'
            ) from None
