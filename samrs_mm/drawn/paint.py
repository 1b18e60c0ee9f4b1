"""Colours of things and of the ground, drawn at random: RGB ``(3,)`` float64 in [0, 255]."""

import numpy as np

from samrs_mm.drawn.dice import Dice

Colour = np.ndarray

THINGS = np.array([
    (235, 235, 232), (205, 208, 210), (165, 168, 172), (120, 122, 125), (60, 64, 70),
    (32, 34, 38), (215, 175, 60), (160, 40, 36), (40, 70, 130), (60, 95, 70), (185, 165, 130),
    (150, 95, 75), (120, 75, 60), (90, 110, 140), (200, 120, 60), (70, 150, 175),
], float)  # fmt: skip
"""White to black, then the paints of vehicles, hulls and roofs."""
PALE, DARK = THINGS[:3], THINGS[4:6]
GLASS = np.array([45.0, 52, 62])

GROUNDS = dict(
    paved=np.array([
        (95, 97, 98), (70, 72, 74), (52, 53, 56), (130, 130, 126), (165, 160, 150), (205, 200, 190),
    ], float),
    bare=np.array([(190, 180, 160), (150, 125, 95), (110, 90, 65), (140, 150, 110)], float),
    green=np.array([(85, 105, 60), (60, 80, 45), (100, 110, 80), (140, 150, 110)], float),
    water=np.array([(45, 65, 60), (35, 55, 75), (25, 35, 50), (28, 44, 40), (60, 95, 100)], float),
)  # fmt: skip
"""Colours by kind of ground."""
ANY_GROUND = np.concatenate(list(GROUNDS.values()))
LEAVES = np.array([(50, 75, 40), (80, 95, 60), (35, 50, 35), (70, 70, 45), (45, 60, 50)], float)


def colour(dice: Dice, table: np.ndarray = THINGS, wild: float = 0.25) -> Colour:
    """Return a colour like one of a table's ``(N, 3)``, or as often as ``wild`` says any."""
    if dice.chance(wild):
        return dice.rng.uniform(10, 245, 3)
    mixed = table[dice.count(0, len(table) - 1)] * dice.between(0.75, 1.2) + dice.rng.normal(
        0, 8, 3
    )
    return np.clip(mixed, 5, 250)


def shade(dice: Dice, paint: Colour, spread: float = 11) -> Colour:
    """Return another shade of a colour, or sometimes another colour.

    Args:
        dice: What decides.
        paint: The colour.
        spread: Standard deviation that is added to its channels.
    """
    if dice.chance(0.15):
        return colour(dice)
    return np.clip(paint * dice.between(0.55, 1.3) + dice.rng.normal(0, spread, 3), 5, 250)


def tone(paint: Colour, factor: float, added: float = 0) -> Colour:
    """Return a colour made brighter or darker by a factor, and by what is added."""
    return np.clip(paint * factor + added, 5, 255)


def marking(dice: Dice) -> Colour:
    """Return the colour of a painted line: white, now and then yellow, often worn."""
    fresh = (225, 190, 70) if dice.chance(0.2) else (230, 230, 225)
    return np.array(fresh, float) * dice.between(0.65, 1)
