"""What stands around an object: rows in lots and docks, boats along a pier, anything."""

from collections.abc import Callable, Iterator

import numpy as np

from samrs_mm.drawn.crop_canvas import Thing
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import turned

Standing = tuple[Thing, float, np.ndarray]
"""A thing, its angle in radians, its place ``(2,)`` in units of the object's length."""
Make = Callable[[str | None], Thing]
"""Returns a new thing of a kind, or of any kind."""
Near = Callable[[np.ndarray], bool]
"""Whether a place ``(2,)`` can be seen."""


def rows(
    dice: Dice, thing: Thing, angle: float, make: Callable[[], Thing], near: Near
) -> Iterator[Standing]:
    """Yield others of the object's kind in rows beside it, slanted or not, with gaps or none.

    Args:
        dice: What decides.
        thing: The object.
        angle: Its direction.
        make: Returns another of its kind.
        near: Whether a place ``(2,)`` can be seen.
    """
    long, wide = thing.size()
    pitch = long * dice.between(1.04, 1.6), wide * (1.04 + dice.between(0, 1) ** 2)
    slant, kept = dice.pick([0, 0, dice.between(-0.6, 0.6)]), dice.pick([1, dice.between(0.4, 1)])
    others = [thing, make()] if dice.chance(0.6) else [make(), make()]
    for column in (-1, 0, 1):
        for row in range(-4, 5):
            if not (column or row) or not dice.chance(kept):
                continue
            place = np.array([column * pitch[0] + row * pitch[1] * slant, row * pitch[1]])
            place += dice.rng.normal(0, 0.02, 2) * (long, wide)
            place = turned([place], angle)[0]
            if near(place):
                if len(others) < 4 and dice.chance(0.4):
                    others.append(make())
                back = np.pi * dice.chance(0.2)
                yield dice.pick(others), angle + dice.rng.normal(0, 0.02) + back, place


def docks(
    dice: Dice, thing: Thing, angle: float, make: Callable[[], Thing], near: Near
) -> Iterator[Standing]:
    """Yield boats side by side along both sides of a pier, bow or stern to it; see ``rows``."""
    first = thing.parts[thing.first].points  # its deck
    deck, long = np.ptp(first[:, 1]), dice.between(0.05, 0.22)
    boats = [make() for _ in range(3)]
    gap, filled = dice.between(1.02, 1.4), dice.between(0.4, 1)
    for side in (-1, 1):
        if dice.chance(0.2):
            continue
        x = -0.48
        while x < 0.5:
            boat = dice.pick(boats)
            size = long * dice.between(0.75, 1.15)
            x += boat.size()[1] * size * gap
            if not dice.chance(filled):
                continue
            y = side * (deck / 2 + size * dice.between(0.5, 0.56))
            place = turned([(x, y)], angle)[0]
            if near(place):
                back = np.pi * dice.chance(0.4)
                yield resized(boat, size), angle + side * np.pi / 2 + back, place


def strangers(dice: Dice, thing: Thing, make: Make) -> Iterator[Standing]:
    """Yield up to two things of any kind and size that stand close to the object or touch it."""
    reach = np.hypot(*thing.size())
    for _ in range(dice.count(0, 2)):
        other, scale = make(None), np.exp(dice.between(-1.2, 0.7))
        far = (reach + scale) / 2 * dice.between(0.75, 1.2)
        yield resized(other, scale), dice.angle(), dice.aside(far, far)


def resized(thing: Thing, scale: float) -> Thing:
    """Return a thing of another length."""
    parts = [part._replace(points=part.points * scale) for part in thing.parts]
    return Thing(thing.kind, parts)


def neighbours(
    dice: Dice, thing: Thing, angle: float, make: Make, kind: str, near: Near
) -> list[Standing]:
    """Return what stands around an object.

    Args:
        dice: What decides.
        thing: The object, at the origin.
        angle: Its direction in radians.
        make: Returns a new thing of a kind, or of any kind.
        kind: The object's, by name.
        near: Whether a place ``(2,)`` can be seen.
    """
    found: list[Standing] = []
    stands = thing.kind.stands
    if stands == 'docks' and dice.chance(0.8):
        boat = dice.pick(['boat', 'boat', 'sailing_boat', 'tug'])
        found += docks(dice, thing, angle, lambda: make(boat), near)
    elif dice.chance(0.65 if stands == 'rows' else 0.12):
        found += rows(dice, thing, angle, lambda: make(kind), near)
    if dice.chance(0.45):
        found += strangers(dice, thing, make)
    return found
