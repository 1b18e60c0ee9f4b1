import numpy as np
import pytest

from samrs_mm.drawn import placement
from samrs_mm.drawn.crop_canvas import Thing
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.kinds import KINDS
from samrs_mm.drawn.outlines import Part, block, turned

GREY = np.full(3, 128.0)


@pytest.fixture
def dice():
    return Dice(np.random.default_rng(0))


def thing(long=1.0, wide=0.3, kind='car') -> Thing:
    return Thing(KINDS[kind], [Part(block(long, wide), GREY, True)])


def test_rows_stand_beside_the_object_and_leave_its_place_free(dice):
    for _ in range(20):
        angle = dice.angle()
        found = list(placement.rows(dice, thing(), angle, thing, lambda place: True))
        places = turned([place for _, _, place in found], -angle)
        inside = (np.abs(places[:, 0]) < 0.9) & (np.abs(places[:, 1]) < 0.22)
        assert not inside.any(), 'neighbours hardly overlap it'
        turns = np.array([turn - angle for _, turn, _ in found])
        assert np.abs(np.sin(turns)).max() < 0.15


def test_only_places_that_can_be_seen_are_filled(dice):
    for _ in range(10):
        seen = list(placement.rows(dice, thing(), 0.0, thing, lambda place: np.hypot(*place) < 0.8))
        assert all(np.hypot(*place) < 0.8 for _, _, place in seen)


def test_boats_lie_beside_a_pier_at_right_angles(dice):
    pier, boat = thing(1, 0.06, 'pier'), thing(1, 0.3, 'boat')
    count = 0
    for _ in range(20):
        for other, turn, (x, y) in placement.docks(
            dice, pier, 0.0, lambda: boat, lambda place: True
        ):
            count += 1
            assert abs(np.cos(turn)) < 1e-6
            assert abs(x) < 0.65
            assert abs(y) - other.size()[0] / 2 == pytest.approx(0.03, abs=0.02)
    assert count > 60


def test_strangers_stand_close(dice):
    for _ in range(50):
        for other, _, place in placement.strangers(dice, thing(), lambda _: thing()):
            touching = (np.hypot(1, 0.3) + other.size()[0]) / 2
            assert 0.7 * touching < np.hypot(*place) < 1.3 * touching


def test_a_resized_thing_has_its_parts_scaled():
    np.testing.assert_allclose(placement.resized(thing(), 2.5).size(), (2.5, 0.75))


@pytest.mark.parametrize(('kind', 'most'), [('car', 200), ('stadium', 40), ('pier', 150)])
def test_each_kind_has_neighbours_of_its_sort(dice, kind, most):
    asked = []

    def make(name):
        asked.append(name)
        return thing()

    for _ in range(40):
        placement.neighbours(dice, thing(kind=kind), 0.0, make, kind, lambda place: True)
    boats = {'boat', 'sailing_boat', 'tug'}
    expected = boats if kind == 'pier' else {kind}
    assert set(asked) - {None} <= expected
    assert None in asked
    assert (set(asked) & expected) or kind == 'stadium'
