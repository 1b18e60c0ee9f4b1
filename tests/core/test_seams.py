"""Masks of overlapping windows: one for each object."""

from collections import Counter
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from samrs_mm.core.seams import Piece, join
from samrs_mm.core.tiling import TileSpec, Window, windows

SIDE = 200
LEFT, RIGHT = Window(0, 0, 120, 200), Window(80, 0, 120, 200)
"""Two windows that share the columns 80 to 119."""


def piece(name, window, x0, y0, x1, y1, score=0.9):
    """A rectangle as far as a window sees it."""
    left, right = max(x0, window.x), min(x1, window.x + window.width)
    mask = np.ones((y1 - y0, right - left), bool)
    return Piece.of(name, window, left, y0, mask, score, (SIDE, SIDE))


def joined(*pieces):
    objects, same = join(pieces)
    assert [each.name for each in join(pieces[::-1])[0]] == [each.name for each in objects]
    assert join(pieces[::-1])[1] == same
    return objects, same


def test_a_mask_at_the_border_of_the_scene_is_not_cut():
    assert piece('a', LEFT, 60, 10, 150, 30).cut
    assert piece('a', LEFT, 60, 10, 119, 30).cut  # within a pixel
    assert not piece('a', LEFT, 0, 0, 118, 200).cut
    assert piece('a', RIGHT, 0, 10, 100, 30).cut
    assert piece('a', Window(0, 0, SIDE, SIDE), 0, 0, SIDE, SIDE).room == float('inf')


def test_pieces_that_agree_where_both_see_become_one():
    objects, same = joined(piece('a', LEFT, 30, 10, 180, 30), piece('b', RIGHT, 30, 10, 180, 30))
    assert [(o.x, o.y, o.mask.shape, o.area) for o in objects] == [(30, 10, (20, 150), 3000)]
    assert same == {'a': 'b'}  # the larger piece stands for both
    assert objects[0].names == ('a', 'b')


def test_a_whole_one_stands_for_its_pieces():
    objects, same = joined(piece('a', LEFT, 85, 10, 125, 30), piece('b', RIGHT, 85, 10, 125, 30))
    assert [o.name for o in objects] == ['b']
    assert objects[0].mask.shape == (20, 40)
    assert same == {'a': 'b'}


def test_of_two_whole_ones_that_farther_from_the_edges_stays():
    objects, same = joined(piece('a', LEFT, 90, 10, 116, 30), piece('b', RIGHT, 90, 10, 116, 30))
    assert [o.name for o in objects] == ['b']
    assert same == {'a': 'b'}


def test_what_lies_within_something_larger_stays():
    objects, same = joined(piece('a', LEFT, 20, 10, 118, 110), piece('b', RIGHT, 90, 50, 110, 70))
    assert [o.name for o in objects] == ['a', 'b']
    assert not same


def test_neighbours_and_masks_of_one_window_stay():
    objects, same = joined(
        piece('a', LEFT, 90, 10, 110, 30), piece('b', RIGHT, 90, 31, 110, 51),
        piece('c', LEFT, 10, 10, 30, 30), piece('d', LEFT, 11, 10, 30, 30),
    )  # fmt: skip
    assert [o.name for o in objects] == ['a', 'b', 'c', 'd']
    assert not same


def test_small_windows_come_first():
    whole = Window(0, 0, SIDE, SIDE)
    objects, same = joined(piece('a', LEFT, 10, 10, 50, 50), piece('b', whole, 9, 10, 50, 50))
    assert [o.name for o in objects] == ['a']
    assert same == {'b': 'a'}


def test_no_mask_is_no_object():
    assert join([]) == ([], {})


@dataclass
class Thing:
    x: int
    y: int
    mask: np.ndarray


def drawn(rng, side, count, largest):
    """Turned rectangles and ellipses of 12 px to ``largest``; a tenth may lie within others."""
    taken = np.zeros((side, side), bool)
    things = []
    while len(things) < count:
        size = np.exp(rng.uniform(np.log(12), np.log(largest)))
        w, h = size, size * rng.uniform(0.25, 1)
        cx, cy = rng.uniform(0, side, 2)
        r = int(np.hypot(w, h) / 2) + 3
        x0, y0 = max(int(cx) - r, 0), max(int(cy) - r, 0)
        canvas = np.zeros((min(int(cy) + r, side) - y0, min(int(cx) + r, side) - x0), np.uint8)
        angle = rng.uniform(0, 180)
        if rng.random() < 0.5:
            centre, axes = (int(cx) - x0, int(cy) - y0), (int(w / 2), int(h / 2))
            cv2.ellipse(canvas, centre, axes, angle, 0, 360, 1, -1)
        else:
            corners = cv2.boxPoints(((cx - x0, cy - y0), (w, h), angle)).astype(int)
            cv2.fillPoly(canvas, [corners], 1)
        mask = canvas.astype(bool)
        there = taken[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]]
        nested = rng.random() < 0.1 and size < 60
        if mask.sum() < 60 or ((there & mask).any() and not nested):
            continue
        there |= mask
        things.append(Thing(x0, y0, mask))
    return things


def tight(x, y, mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return x + columns[0], y + rows[0], part


def within(window, x, y, mask):
    x0, y0 = max(x, window.x), max(y, window.y)
    x1 = min(x + mask.shape[1], window.x + window.width)
    y1 = min(y + mask.shape[0], window.y + window.height)
    if x0 >= x1 or y0 >= y1:
        return None
    part = mask[y0 - y : y1 - y, x0 - x : x1 - x]
    return tight(x0, y0, part) if part.sum() >= 40 else None


def seen(rng, things, side, spec):
    """What the windows give: a pixel more or less around, one in twenty missed."""
    pieces = []
    for number, window in enumerate(windows(side, side, spec)):
        for k, thing in enumerate(things):
            part = within(window, thing.x, thing.y, thing.mask)
            if part is None or rng.random() < 0.05:
                continue
            x, y, mask = part
            grown = np.pad(mask, 2)
            step = int(rng.integers(-1, 2))
            if step:
                change = cv2.dilate if step > 0 else cv2.erode
                grown = change(grown.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
            part = within(window, x - 2, y - 2, grown) if grown.any() else None
            if part is not None:
                name, score = f'{number}:{k}', rng.uniform(0.85, 1)
                pieces.append(Piece.of(name, window, *part, score, (side, side)))
    return pieces


def iou(thing, found):
    x0, y0 = max(thing.x, found.x), max(thing.y, found.y)
    x1 = min(thing.x + thing.mask.shape[1], found.x + found.mask.shape[1])
    y1 = min(thing.y + thing.mask.shape[0], found.y + found.mask.shape[0])
    if x0 >= x1 or y0 >= y1:
        return 0.0
    one = thing.mask[y0 - thing.y : y1 - thing.y, x0 - thing.x : x1 - thing.x]
    other = found.mask[y0 - found.y : y1 - found.y, x0 - found.x : x1 - found.x]
    shared = (one & other).sum()
    return shared / (thing.mask.sum() + found.mask.sum() - shared)


@pytest.mark.parametrize(('seed', 'overlap'), [(0, 256), (1, 200), (2, 400), (3, 100)])
def test_objects_over_seams(seed, overlap):
    rng, side = np.random.default_rng(seed), 4096
    things = drawn(rng, side, 900, 700)
    pieces = seen(rng, things, side, TileSpec(size=1024, overlap=overlap))
    objects, same = join(pieces)

    def whose(masks):
        return [(int(found.name.split(':')[1]), found) for found in masks]

    shown = {k for k, found in whose(pieces) if iou(things[k], found) > 0.5}
    right = Counter(k for k, found in whose(objects) if iou(things[k], found) > 0.5)
    assert len(right) >= 0.99 * len(shown)
    assert right.total() - len(right) <= 1  # duplicates
    assert len(objects) - right.total() <= 0.015 * len(objects)  # fragments
    assert len(pieces) > 1.3 * len(objects)
    assert {each.name for each in pieces} == {each.name for each in objects} | same.keys()
    assert set(same.values()) <= {each.name for each in objects}
