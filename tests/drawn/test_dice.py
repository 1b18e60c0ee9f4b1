import numpy as np
import pytest

from samrs_mm.drawn.dice import Dice


@pytest.fixture
def dice():
    return Dice(np.random.default_rng(0))


def test_numbers_stay_in_their_interval_and_fill_it(dice):
    for draw in (dice.between, dice.spread):
        values = [draw(2, 50) for _ in range(2000)]
        assert 2 <= min(values) < 3
        assert 48 < max(values) <= 50


def test_spread_is_even_over_the_logarithm(dice):
    assert np.median([dice.spread(1, 100) for _ in range(3000)]) == pytest.approx(10, rel=0.15)


def test_counts_take_both_ends(dice):
    assert {dice.count(1, 4) for _ in range(100)} == {1, 2, 3, 4}
    assert {dice.pick('abc') for _ in range(100)} == set('abc')
    assert {dice.sign() for _ in range(50)} == {-1, 1}


def test_chances_come_as_often_as_said(dice):
    assert np.mean([dice.chance(0.2) for _ in range(4000)]) == pytest.approx(0.2, abs=0.02)
    assert not any(dice.chance(0) for _ in range(50))


def test_points_aside_lie_in_all_directions_at_their_distance(dice):
    points = np.array([dice.aside(1, 2) for _ in range(500)])
    far = np.hypot(*points.T)
    assert 1 <= far.min() < 1.1 < 1.9 < far.max() <= 2
    assert np.abs(points.mean(axis=0)).max() < 0.2
    assert 0 <= min(dice.angle() for _ in range(50)) < 2 * np.pi
