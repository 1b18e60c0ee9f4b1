import numpy as np
import pytest

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.drawn import ground
from samrs_mm.drawn.crop_canvas import CropCanvas, Thing
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.kinds import KINDS
from samrs_mm.drawn.outlines import Part, block
from samrs_mm.drawn.paint import GROUNDS
from samrs_mm.drawn.textures import TextureBank

GREY = np.full(3, 90.0)


@pytest.fixture
def dice():
    return Dice(np.random.default_rng(0))


def thing(kind='boat') -> Thing:
    return Thing(KINDS[kind], [Part(block(1, 0.4), GREY, True)])


def canvas() -> CropCanvas:
    return CropCanvas(CropFrame(np.zeros(2), np.eye(2), np.full(2, 20.0)), 20, 40)


def test_things_mostly_stand_where_they_belong_and_differ_from_it(dice):
    found = [ground.ground_colour(dice, thing()) for _ in range(400)]
    water = np.mean([name == 'water' for name, _ in found])
    assert 0.7 < water < 0.9
    alike = np.mean([np.abs(colour - GREY).max() < 30 for _, colour in found])
    assert 0.08 < alike < 0.35, 'one in ten is camouflaged'
    assert {name for name, _ in found} == GROUNDS.keys()


def test_the_ground_fills_the_canvas_and_has_a_texture(dice):
    bank = TextureBank(0)
    for _ in range(20):
        board = canvas()
        ground.lay_ground(dice, board, bank, thing('car'), 0.3)
        assert board.pixels[..., :3].max() > 0
        assert board.pixels[..., :3].std(axis=(0, 1)).max() > 0.3
        assert not board.mask.any()


def test_slots_lie_between_the_places_of_a_row(dice):
    board = canvas()
    ground.paint_slots(dice, board, thing('car'), 0.0)
    painted = board.pixels[..., 3] > 0
    assert not painted[38:42, 40].any(), 'none through the object'
    rows = painted[:, 40]
    assert 2 <= np.count_nonzero(np.diff(rows.astype(int)) == 1) <= 9
