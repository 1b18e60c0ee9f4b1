"""Run lengths of Label Studio's brush: a stream of bits that holds an RGBA picture.

Source of the format: rle-pack of https://github.com/thi-ng/umbrella, as ``label_studio_sdk`` reads
it.
"""

from typing import Any

import numpy as np

from samrs_mm.core.boxes import BadBoxError

_CHANNELS = 4
_BITS = 8


def brush_mask(values: Any, width: int, height: int) -> np.ndarray:
    """Return the pixels ``(H, W)`` bool that a brush painted: those that are not transparent.

    Args:
        values: The bytes of the stream, as whole numbers.
        width: Of the image, in pixels.
        height: Of the image, in pixels.

    Raises:
        BadBoxError: Not such bytes, or a picture of another size.
    """
    if not isinstance(values, list) or not all(
        isinstance(value, int) and 0 <= value < 256 for value in values
    ):
        raise BadBoxError('rle is no list of bytes, 0 to 255')
    bits = _Bits(np.unpackbits(np.array(values, np.uint8)))
    try:
        count = bits.number(32)
        if count != width * height * _CHANNELS:
            raise BadBoxError(
                f'rle holds {count} values; a picture of {width} x {height} px has '
                f'{width * height * _CHANNELS}'
            )
        if bits.number(5) + 1 != _BITS:
            raise BadBoxError('rle holds values of other than 8 bits')
        lengths = [bits.number(4) + 1 for _ in range(4)]
        found = np.zeros(count, np.uint8)
        at = 0
        while at < count:
            repeated = bits.number(1)
            end = at + 1 + bits.number(lengths[bits.number(2)])
            if end > count:
                raise EOFError
            found[at:end] = bits.number(_BITS) if repeated else bits.bytes(end - at)
            at = end
    except EOFError:
        raise BadBoxError('rle ends before the picture does, or after it') from None
    return found.reshape(height, width, _CHANNELS)[..., -1] > 0


class _Bits:
    """A position in a stream of bits; its methods raise EOFError at the end."""

    def __init__(self, bits: np.ndarray):
        self._bits, self._at = bits, 0

    def number(self, count: int) -> int:
        """Take the whole number of the next bits."""
        number = 0
        for bit in self._take(count).tolist():
            number = number << 1 | bit
        return number

    def bytes(self, count: int) -> np.ndarray:
        """Take the next bytes."""
        return np.packbits(self._take(count * _BITS))

    def _take(self, count: int) -> np.ndarray:
        part = self._bits[self._at : self._at + count]
        if len(part) < count:
            raise EOFError
        self._at += count
        return part
