"""Text, keys, grids and pages."""

import numpy as np

from samrs_mm.browse.pages import Page, captioned, contact_sheet, grid, line, thumbnail
from samrs_mm.drawing.lettering import (
    Swatch,
    key,
    paste,
    shortened,
    text_picture,
    text_width,
)
from samrs_mm.drawing.panels import Panel

GREEN = (10, 200, 40)


def block(height, width, colour=GREEN):
    return np.full((height, width, 3), colour, np.uint8)


def test_text_is_drawn_in_its_colour_on_its_ground():
    picture = text_picture('größer', 20, (255, 0, 0), (0, 0, 255))
    assert (picture == (255, 0, 0)).all(2).any()
    assert (picture[0, 0] == (0, 0, 255)).all()
    assert abs(picture.shape[1] - text_width('größer', 20)) <= 6
    assert text_picture('a').shape[0] == text_picture('gÄ').shape[0]


def test_long_texts_are_cut_with_an_ellipsis():
    text = 'expressway-service-area' * 3
    cut = shortened(text, 15, 120)
    assert cut.endswith('…')
    assert text_width(cut, 15) <= 120
    assert text.startswith(cut[:-1])
    assert len(cut) > 8
    assert shortened('ship', 15, 120) == 'ship'
    assert line(text, 100, 15).shape[1] == 100


def test_pasting_cuts_off_what_lies_outside():
    picture = block(10, 10, (0, 0, 0))
    paste(picture, block(6, 6), -3, 8)
    assert (picture == GREEN).all(2).sum() == 3 * 2
    paste(picture, block(6, 6), 20, 20)
    assert (picture == GREEN).all(2).sum() == 3 * 2


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


def test_pages_show_all_panels_under_title_and_note():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
    panels = [Panel(block(40, 200, colour), caption='what') for colour in colours]
    swatches = [Swatch('ship', (1, 99, 201))]
    page = Page('P0001', panels, swatches, note='4 boxes').draw()
    for colour in colours:
        assert (page == colour).all(2).sum() == 40 * 200
    assert (page == (1, 99, 201)).all(2).sum() > 300
    first = np.argwhere((page == colours[0]).all(2))
    second_row = np.argwhere((page == colours[2]).all(2))
    assert second_row[:, 0].min() > first[:, 0].max(), 'four panels stand in two rows'
    assert (page[: first[:, 0].min()] < 128).all(2).any(), 'title and note'
    alone = Page('P0001', panels[:1]).draw()
    assert alone.shape[0] < page.shape[0]


def test_contact_sheets_name_thumbnails():
    sheet = contact_sheet([(f'image_{i}', block(20, 100)) for i in range(7)])
    assert (sheet == GREEN).all(2).sum() == 7 * 20 * 100
    assert thumbnail(block(100, 500), 100).shape == (20, 100, 3)
    assert thumbnail(block(8, 4), 100).shape == (8, 4, 3)
    assert captioned(block(8, 4), '').shape == (8, 4, 3)
