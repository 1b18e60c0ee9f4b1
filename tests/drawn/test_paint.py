import numpy as np
import pytest

from samrs_mm.drawn import paint
from samrs_mm.drawn.dice import Dice

OCHRE = np.array([180.0, 140, 60])


@pytest.fixture
def dice():
    return Dice(np.random.default_rng(0))


@pytest.mark.parametrize(
    'make',
    [
        paint.colour,
        lambda dice: paint.shade(dice, OCHRE),
        lambda dice: paint.tone(OCHRE, dice.between(0, 3), dice.between(-50, 50)),
        paint.marking,
    ],
)
def test_colours_are_rgb_in_range(dice, make):
    found = np.array([make(dice) for _ in range(300)])
    assert found.shape == (300, 3)
    assert 0 <= found.min() <= found.max() <= 255
    assert found.std(axis=0).min() > 3


def test_colours_keep_to_their_table_unless_wild(dice):
    table = np.array([(100.0, 100, 100)])
    tame = np.array([paint.colour(dice, table, wild=0) for _ in range(100)])
    assert np.ptp(tame, axis=1).max() < 70
    wild = np.array([paint.colour(dice, table, wild=1) for _ in range(100)])
    assert np.ptp(wild, axis=1).max() > 150


def test_most_shades_keep_the_hue(dice):
    shades = np.array([paint.shade(dice, OCHRE) for _ in range(200)])
    kept = (shades[:, 0] > shades[:, 1]) & (shades[:, 1] > shades[:, 2])
    assert 0.75 < kept.mean() < 1
