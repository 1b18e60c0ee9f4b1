"""Captions, keys, grids and legends."""

import numpy as np

from samrs_mm.drawing.colours import class_colour
from samrs_mm.drawing.layout import Swatch, captioned, grid, key, legend

GREEN = (10, 200, 40)


def block(height, width, colour=GREEN):
    return np.full((height, width, 3), colour, np.uint8)


def test_keys_hold_every_colour_and_wrap():
    kinds = ('fill', 'line', 'dashed', 'cross', 'hatch')
    swatches = [Swatch(f'entry {i}', (250, 40 * i, 5), kind) for i, kind in enumerate(kinds)]
    wide, narrow = key(swatches, 900), key(swatches, 150)
    assert wide.shape[1] == 900
    assert narrow.shape[0] > 2 * wide.shape[0]
    for picture in (wide, narrow):
        for swatch in swatches:
            assert (picture == swatch.colour).all(2).sum() > 10, swatch
    assert key([], 100).shape == (0, 100, 3)


def test_grids_align_cells_of_different_sizes():
    cells = [block(10, 30), block(20, 10, (1, 2, 3)), block(5, 5, (9, 9, 9))]
    picture = grid(cells, 2, margin=4)
    assert picture.shape == (4 + 20 + 4 + 5 + 4, 4 + 30 + 4 + 10 + 4, 3)
    np.testing.assert_array_equal(picture[4:14, 4:34], cells[0])
    np.testing.assert_array_equal(picture[4:24, 38:48], cells[1])
    np.testing.assert_array_equal(picture[28:33, 4:9], cells[2])
    assert (picture[0] == 255).all()


def test_captions_are_as_wide_as_the_picture():
    picture = captioned(block(8, 40), 'a name that is too long')
    assert picture.shape[1] == 40
    np.testing.assert_array_equal(picture[-8:], block(8, 40))
    assert captioned(block(8, 4), '').shape == (8, 4, 3)


def test_every_class_has_its_colour_in_order():
    names = ['ground', 'a much longer name', 'x']
    picture = legend(names)
    height = picture.shape[0] // len(names)
    for index in range(len(names)):
        middle = picture[index * height + height // 2, 20]
        np.testing.assert_array_equal(middle, class_colour(index))
    text = (picture[:, 44:] < 128).all(2)
    widths = [np.flatnonzero(part.any(0)).max() for part in np.split(text, len(names))]
    assert widths[1] == max(widths)
    assert widths[1] < text.shape[1] - 3, 'no name is cut'
