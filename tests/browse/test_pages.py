"""Pages, their thumbnails, and the windows around objects."""

import numpy as np
import pytest

from samrs_mm.browse.pages import Page, class_swatches, full_names, window_around
from samrs_mm.core.tiling import Window
from samrs_mm.drawing.colours import class_colour
from samrs_mm.drawing.layout import Swatch
from samrs_mm.drawing.panels import Panel


def block(height, width, colour=(10, 200, 40)):
    return np.full((height, width, 3), colour, np.uint8)


def test_pages_show_all_panels_under_title_and_note():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
    panels = [Panel(block(40, 200, colour), caption='what') for colour in colours]
    swatches = [Swatch('ship', (1, 99, 201))]
    page = Page('P0001', '4 boxes', panels, swatches).draw()
    for colour in colours:
        assert (page == colour).all(2).sum() == 40 * 200
    assert (page == (1, 99, 201)).all(2).sum() > 300
    first = np.argwhere((page == colours[0]).all(2))
    second_row = np.argwhere((page == colours[2]).all(2))
    assert second_row[:, 0].min() > first[:, 0].max(), 'four panels stand in two rows'
    assert (page[: first[:, 0].min()] < 128).all(2).any(), 'title and note'
    alone = Page('P0001', panels=panels[:1]).draw()
    assert alone.shape[0] < page.shape[0]


def test_panels_are_added_with_swatches_that_are_new():
    page, ship, plane = Page('a'), Swatch('ship', (1, 2, 3)), Swatch('plane', (3, 2, 1))
    page.add(Panel(block(4, 4)), [ship])
    page.add(Panel(block(4, 4)), [ship, plane])
    assert page.swatches == [ship, plane]


def test_thumbnails_show_the_cover_and_are_never_enlarged():
    page = Page('a', panels=[Panel(block(8, 4)), Panel(block(100, 480, (9, 9, 9)))], cover=1)
    assert page.thumbnail('').shape == (50, 240, 3)
    assert page.thumbnail('name').shape[0] > 50
    page.cover = 0
    assert page.thumbnail('').shape == (8, 4, 3)


def test_classes_have_their_abbreviations_and_colours():
    assert full_names(['plane', 'ship']) == ['PL  plane', 'SH  ship']
    assert full_names(['ship', 'submarine']) == ['ship', 'submarine']
    assert class_swatches([1, 0, 1], ['a', 'b']) == [
        Swatch('a', class_colour(0)), Swatch('b', class_colour(1)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('bounds', 'window'),
    [
        (None, (0, 0, 300, 200)),
        ((100, 80, 200, 120), (75, 25, 150, 150)),
        ((0, 0, 4, 4), (0, 0, 40, 40)),
        ((290, -50, 900, 1000), (0, 0, 300, 200)),
    ],
)
def test_windows_lie_around_objects_and_inside_the_image(bounds, window):
    polygon = None if bounds is None else np.reshape(bounds, (2, 2))
    assert window_around(polygon, 300, 200) == Window(*window)
