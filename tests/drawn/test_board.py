import numpy as np
import pytest

from samrs_mm.drawn.board import Board
from samrs_mm.drawn.outlines import Part, block
from samrs_mm.drawn.scenes import DOMAINS
from samrs_mm.drawn.shapes import Shape

RED = 'fa0000'


@pytest.fixture
def board():
    board = Board(80, 60, DOMAINS['a'], np.random.default_rng(0))
    board.angle = 0.0
    return board


def box(length=20, width=10, height=3.0):
    return Shape([Part(block(length, width), RED, True)], height)


def test_what_is_put_has_its_box_its_mask_and_its_colour(board):
    assert board.put('boat', box(), -10, 5)
    (ship,) = board.objects()
    assert (ship.category, ship.truncated) == ('ship', False)
    np.testing.assert_allclose(ship.polygon, [[40, 30], [40, 40], [20, 40], [20, 30]])
    mask = ship.full_mask(60, 80)
    assert mask[31:39, 21:39].all()
    assert mask.sum() == pytest.approx(200, rel=0.1)
    np.testing.assert_allclose(board.image[35, 30], [250, 0, 0])
    assert board.photo()[35, 30, 0] > 150


def test_things_keep_their_distance(board):
    assert board.put('boat', box(), 0, 0)
    assert not board.put('boat', box(), 4, 0)
    assert board.put('car', box(), 0, 10.2), 'touching is fine'
    assert not board.put('car', box(), 0, -12, gap=5)
    assert board.put('car', box(), 0, -18, gap=5)


def test_objects_mostly_outside_and_roles_without_a_class_are_left_out(board):
    assert not board.put('windmill', box(), 0, 0), 'not a class of domain a'
    assert not board.put('boat', box(), 40, 0)
    assert board.put(None, box(), 40, 0)
    assert board.put('boat', box(), -34, 0)
    (ship,) = board.objects()
    assert ship.truncated
    assert ship.polygon.min() < 0 == ship.offset[0]


def test_what_stands_hides_what_is_below_and_what_is_painted_hides_nothing(board):
    assert board.put('track', box(40, 30, height=0), 0, 0)
    assert board.put('soccer', box(20, 20, height=0), 0, 0)
    board._taken[:] = False
    assert board.put('car', box(6, 6), 0, 0)
    track, field, car = (item.full_mask(60, 80) for item in board.objects())
    assert (track & field).sum() == field.sum()
    assert not (field & car).any()
    assert not (track & car).any()


def test_tones_are_factors_of_colours(board):
    light = Part(block(20, 10), '64c8f0', True, tone=1.5)
    assert board.put('boat', Shape([light]), 0, 0)
    np.testing.assert_allclose(board.image[30, 40], [150, 252, 252])
