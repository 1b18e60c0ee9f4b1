import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.core.boxes import bounding_boxes
from samrs_mm.core.dealing import MARGIN, deal, own_windows
from samrs_mm.core.tiling import TileSpec, Window, windows

WIDTH, HEIGHT = 9000, 7000
SPEC = TileSpec(1024, 200, once=True)


def upright(*boxes):
    x0, y0, x1, y1 = np.array(boxes, float).reshape(-1, 4).T
    return np.stack([x0, y0, x1, y0, x1, y1, x0, y1], axis=1).reshape(-1, 4, 2)


@pytest.fixture(scope='module')
def many():
    """Corners of 3,000 boxes of 8 to 3,000 px, some of them partly or wholly outside."""
    rng = np.random.default_rng(0)
    sides = np.exp(rng.uniform(np.log(8), np.log(3000), (3000, 2)))
    centres = rng.uniform(-50, [WIDTH + 50, HEIGHT + 50], (3000, 2))
    angle = rng.uniform(0, np.pi, 3000)
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1) * sides[:, :1] / 2
    across = np.stack([-np.sin(angle), np.cos(angle)], axis=1) * sides[:, 1:] / 2
    return np.stack([centres - along - across, centres + along - across,
                     centres + along + across, centres - along + across], axis=1)  # fmt: skip


def test_every_box_is_whole_in_exactly_one_window(many):
    grid = windows(WIDTH, HEIGHT, SPEC)
    own = own_windows(many, WIDTH, HEIGHT, SPEC)
    tiles = [*grid, *own]
    bounds = bounding_boxes(many)
    low, high = (
        np.clip(bounds[:, :2], 0, (WIDTH, HEIGHT)),
        np.clip(bounds[:, 2:], 0, (WIDTH, HEIGHT)),
    )
    inside = (high > low).all(axis=1)
    times = np.zeros(len(many), int)
    for tile, rows in zip(tiles, deal(many, tiles, WIDTH, HEIGHT), strict=True):
        times[rows] += 1
        assert (low[rows] >= (tile.x, tile.y)).all()
        assert (high[rows] <= (tile.x + tile.width, tile.y + tile.height)).all()
    assert inside.sum() > 2900
    assert (times == inside).all()
    assert len(own) < 40
    assert own == sorted(own, key=lambda each: (each.y, each.x, each.width))


def test_windows_without_boxes_change_nothing(many):
    """So those can be left out, and a run that goes on deals as the first one did."""
    tiles = [*windows(WIDTH, HEIGHT, SPEC), *own_windows(many, WIDTH, HEIGHT, SPEC)]
    dealt = deal(many, tiles, WIDTH, HEIGHT)
    used = [(tile, rows) for tile, rows in zip(tiles, dealt, strict=True) if len(rows)]
    again = deal(many, [tile for tile, _ in used], WIDTH, HEIGHT)
    assert all((rows == new).all() for (_, rows), new in zip(used, again, strict=True))
    assert len(used) < len(tiles)


def test_the_order_of_boxes_changes_nothing(many):
    tiles = windows(WIDTH, HEIGHT, SPEC)
    assert own_windows(many, WIDTH, HEIGHT, SPEC) == own_windows(many[::-1], WIDTH, HEIGHT, SPEC)
    dealt, turned = (deal(each, tiles, WIDTH, HEIGHT) for each in (many, many[::-1]))
    last = len(many) - 1
    assert all((np.sort(last - new) == rows).all() for rows, new in zip(dealt, turned, strict=True))


def test_a_box_goes_where_it_lies_farthest_from_the_edges():
    tiles = [Window(0, 0, 100, 100), Window(60, 0, 100, 100)]
    boxes = upright((62, 40, 70, 60), (72, 40, 80, 60), (90, 40, 98, 60), (0, 0, 5, 5))
    first, second = deal(boxes, tiles, 160, 100)
    assert first.tolist() == [0, 1, 3]
    assert second.tolist() == [2]


def test_the_border_of_the_scene_is_no_edge():
    spec = TileSpec(100, 50)
    border = upright((0, 0, 30, 100), (130, 0, 160, 100))
    assert own_windows(border, 160, 100, spec) == []
    (own,) = own_windows(upright((40, 0, 120, 100)), 160, 100, spec)
    assert own == Window(2, 0, 157, 157)
    assert own.x <= 40 - MARGIN
    assert own.x + own.width >= 120 + MARGIN


@pytest.mark.parametrize(
    'box', [(-30, 5, -1, 20), (101, 5, 120, 20), (5, -9, 20, -1), (np.nan, 5, 20, 20)]
)
def test_what_has_no_place_in_the_scene_has_no_tile(box):
    spec, boxes = TileSpec(60, 20), upright(box, (5, 5, 20, 20))
    assert own_windows(boxes, 100, 100, spec) == []
    rows = deal(boxes, windows(100, 100, spec), 100, 100)
    assert [each for row in rows for each in row.tolist()] == [1]


def test_a_flat_box_has_a_tile_where_its_status_is_told():
    rows = deal(upright((50, 10, 50, 30)), windows(100, 100, TileSpec(60, 20)), 100, 100)
    assert sum(map(len, rows)) == 1


def test_no_boxes_and_no_tiles():
    none = np.empty((0, 4, 2))
    assert own_windows(none, 100, 100, TileSpec(60, 20)) == []
    assert [rows.tolist() for rows in deal(none, [Window(0, 0, 60, 60)], 100, 100)] == [[]]
    assert deal(upright((1, 1, 9, 9)), [], 100, 100) == []


@given(
    st.lists(st.tuples(*[st.floats(-50, 450)] * 4), max_size=8),
    st.integers(1, 300), st.integers(1, 300),
    st.integers(1, 120).flatmap(
        lambda size: st.builds(TileSpec, size=st.just(size), overlap=st.integers(0, size - 1))
    ),
)  # fmt: skip
def test_nothing_is_dealt_twice_or_lost(corners, width, height, spec):
    corners = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners]
    boxes = upright(*corners) if corners else np.empty((0, 4, 2))
    tiles = [*windows(width, height, spec), *own_windows(boxes, width, height, spec)]
    assert len(set(tiles)) == len(tiles)
    dealt = [row for rows in deal(boxes, tiles, width, height) for row in rows.tolist()]
    there = [i for i, (x0, y0, x1, y1) in enumerate(corners)
             if x1 >= 0 and y1 >= 0 and x0 <= width and y0 <= height]  # fmt: skip
    assert sorted(dealt) == there
