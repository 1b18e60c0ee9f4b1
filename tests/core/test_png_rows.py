import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from samrs_mm.core.png_rows import holds_other


def filtered(pixels, kinds):
    """Write a grey PNG whose rows are stored by the given filters."""
    height, width = pixels.shape
    above, rows = np.zeros(width, int), []
    for row, kind in zip(pixels.astype(int), kinds, strict=True):
        left, corner = np.append(0, row[:-1]), np.append(0, above[:-1])
        guess = [0, left, above, (left + above) // 2, paeth(left, above, corner)][kind]
        rows.append(bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes())
        above = row
    header = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b''.join(rows))
    parts = [(b'IHDR', header), (b'IDAT', data[:9]), (b'IDAT', data[9:]), (b'IEND', b'')]
    chunks = b''.join(
        struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))
        for name, body in parts
    )
    return b'\x89PNG\r\n\x1a\n' + chunks


def paeth(left, above, corner):
    guess = left + above - corner
    errors = [abs(guess - each) for each in (left, above, corner)]
    smallest = np.where(errors[1] <= errors[2], above, corner)
    return np.where((errors[0] <= errors[1]) & (errors[0] <= errors[2]), left, smallest)


@pytest.mark.parametrize('value', [255, 1, 128])
@pytest.mark.parametrize('width', [1, 2, 7])
def test_every_filter_after_every_other(value, width):
    rng = np.random.default_rng(0)
    for _ in range(60):
        kinds = rng.integers(0, 5, 6)
        pixels = np.full((6, width), value, np.uint8)
        assert holds_other(filtered(pixels, kinds), value) is False
        pixels[rng.integers(6), rng.integers(width)] = rng.choice([*range(value)])
        data = filtered(pixels, kinds)
        assert (cv2.imdecode(np.frombuffer(data, np.uint8), -1) == pixels).all()
        assert holds_other(data, value) is True


@pytest.mark.parametrize('write', ['pillow', 'opencv'])
@pytest.mark.parametrize('place', [None, (0, 0), (299, 399), (150, 3)])
def test_files_of_libraries(write, place):
    pixels = np.full((300, 400), 255, np.uint8)
    if place:
        pixels[place] = 254
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'PNG')
    data = file.getvalue() if write == 'pillow' else cv2.imencode('.png', pixels)[1].tobytes()
    assert holds_other(data, 255) is (place is not None)


def test_what_can_not_be_told():
    whole = filtered(np.full((50, 40), 255, np.uint8), [0] * 50)
    for kind in ('RGB', '1', 'P', 'I;16'):
        file = io.BytesIO()
        Image.new(kind, (4, 4)).save(file, 'PNG')
        assert holds_other(file.getvalue(), 255) is None
    for data in (b'', b'GIF89a', whole[:40], whole[:-30], whole[:60] + b'x' + whole[61:]):
        assert holds_other(data, 255) is None


def test_rows_below_the_first_that_differs_are_not_read():
    pixels = np.full((50, 40), 255, np.uint8)
    pixels[2] = np.arange(40)
    data = filtered(pixels, [0] * 50)
    assert holds_other(data[: len(data) - 25], 255) is True
