"""Whether a grey PNG holds any value but one, found without decoding more of it than it takes."""

import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_ROWS = 64  # decompressed at a time


def holds_other(data: bytes, value: int) -> bool | None:
    """Return whether any pixel of a PNG of 8 bits and one channel is not ``value`` (1..255).

    Rows are decompressed from the top until one differs, and compared as they are stored: where all
    pixels so far are ``value``, the bytes of a row of it are known for each of PNG's five filters.

    Returns:
        None of what can't be told: another kind of PNG, no PNG, or one that is broken.
    """
    if len(data) < 33 or not data.startswith(_SIGNATURE) or data[12:16] != b'IHDR':
        return None
    width, height, *kind = struct.unpack('>IIBBBBB', data[16:29])
    if kind != [8, 0, 0, 0, 0] or not width or not height:  # depth, colour, ..., interlace
        return None
    first, later = _expected(width, value, top=True), _expected(width, value, top=False)
    seen = 0
    try:
        for row in _rows(data, width + 1):
            if row not in (later if seen else first):
                return True if row[0] < 5 else None
            seen += 1
            if seen == height:
                return False
    except zlib.error:
        pass
    return None


def _expected(width: int, value: int, top: bool) -> frozenset[bytes]:
    """Return a row of ``value`` as each filter stores it, below another such row or at the top."""
    same, rest = bytes([value]), width - 1
    half = value - value // 2  # left, or above, alone is averaged with 0
    if top:
        average = same + bytes([half]) * rest
        bodies = [same * width, same + bytes(rest), same * width, average, same + bytes(rest)]
    else:
        average = bytes([half]) + bytes(rest)
        bodies = [same * width, same + bytes(rest), bytes(width), average, bytes(width)]
    return frozenset(bytes([number]) + body for number, body in enumerate(bodies))


def _rows(data: bytes, size: int) -> Iterator[bytes]:
    """Yield the rows of ``size`` bytes, filter first, as far as there are whole ones."""
    stream, left = zlib.decompressobj(), b''
    for part in _image_data(data):
        while part:
            left += stream.decompress(part, _ROWS * size)
            part = stream.unconsumed_tail
            whole = len(left) - len(left) % size
            yield from (left[place : place + size] for place in range(0, whole, size))
            left = left[whole:]


def _image_data(data: bytes) -> Iterator[bytes]:
    """Yield the contents of the IDAT chunks."""
    place = 8
    while place + 8 <= len(data):
        (length,) = struct.unpack('>I', data[place : place + 4])
        if data[place + 4 : place + 8] == b'IDAT':
            yield data[place + 8 : place + 8 + length]
        place += 12 + length
