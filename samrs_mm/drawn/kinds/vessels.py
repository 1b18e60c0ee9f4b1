# ruff: noqa: RUF005 (arrays are added)
"""Boats and ships. A length of about 1 along x, the bow towards +x."""

from itertools import pairwise

import numpy as np

from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import Part, arc, block, mirrored, oval, rectangle, ribbon, turned
from samrs_mm.drawn.paint import DARK, GLASS, PALE, Colour, colour, shade, tone

_COUNT = 20
_WAKE = np.array([200.0, 210, 205])


def _deck(dice: Dice, wide: float, bow: float, stern: float) -> np.ndarray:
    """Return a deck's outline: pointed over ``bow`` of its length, its stern narrower."""
    t = np.linspace(0, 1, 7)[1:-1]
    side = wide / 2 * (1 - t ** dice.between(1.5, 3))
    half = [(-0.5, wide / 2 * stern), (-0.4, wide / 2), (0.5 - bow, wide / 2)]
    return mirrored([*half, *zip(0.5 - bow + bow * t, side, strict=True), (0.5, 0)])


def _wake(dice: Dice, wide: float) -> list[Part]:
    """Return the foam behind a ship under way, which lies on the water."""
    long, open_ = dice.between(0.3, 1.5), dice.between(0.5, 1.6) * wide
    foam = _WAKE * dice.between(0.6, 1)
    tail = [(-0.4, -wide * 0.3), (-0.5 - long, -open_), (-0.5 - long, open_), (-0.4, wide * 0.3)]
    return [Part(np.array(tail), foam)]


def boat(dice: Dice, paint: Colour) -> list[Part]:
    """Return a motor boat or a yacht: hull, deck, cabins, now and then a wake."""
    wide = dice.between(0.2, 0.45)
    hull = _deck(dice, wide, dice.between(0.2, 0.5), dice.between(0.55, 1))
    parts = _wake(dice, wide) if dice.chance(0.12) else []
    parts += [Part(hull, paint, True)]
    parts.append(Part(hull * [0.95, dice.between(0.7, 0.95)], shade(dice, paint)))
    for _ in range(dice.count(0, 5)):
        x, long = dice.between(-0.45, 0.1), dice.between(0.04, 0.25)
        half = wide / 2 * dice.between(0.3, 0.85)
        parts.append(Part(rectangle(x, x + long, -half, half), colour(dice)))
    if dice.chance(0.4):
        cabin = oval(dice.between(0.2, 0.5), wide * 0.6, 4, _COUNT)
        parts += [Part(cabin, GLASS if dice.chance(0.4) else colour(dice)),
                  Part(cabin * 0.75 - [0.04, 0], colour(dice, PALE))]  # fmt: skip
    return parts


def sailing_boat(dice: Dice, paint: Colour) -> list[Part]:
    """Return a sailing boat: slim, a mast that leans with the view, a boom, a cockpit."""
    wide = dice.between(0.18, 0.34)
    hull = _deck(dice, wide, dice.between(0.4, 0.65), dice.between(0.4, 0.85))
    parts = [Part(hull, paint, True), Part(hull * [0.93, 0.8], shade(dice, paint))]
    parts.append(Part(block(0.22, wide * 0.5, -0.28), colour(dice)))
    cover = colour(dice)
    parts.append(Part(block(0.4, dice.between(0.02, 0.07), -0.12), cover))
    tip = np.array([0.1, 0]) + dice.aside(0.0, 0.5 * wide)
    mast = ribbon([(0.1, 0), tip], dice.between(0.008, 0.02))
    parts.append(Part(mast, colour(dice, PALE)))
    return parts


def cargo_ship(dice: Dice, paint: Colour) -> list[Part]:
    """Return a freighter: hatches, containers or pipes, cranes, a bridge at the stern."""
    wide = dice.between(0.11, 0.24)
    hull = _deck(dice, wide, dice.between(0.08, 0.22), dice.between(0.7, 1))
    deck = colour(dice)
    parts = _wake(dice, wide) if dice.chance(0.1) else []
    parts += [Part(hull, paint, True), Part(hull * [0.98, 0.9], deck)]
    style, stops = dice.count(0, 2), np.linspace(-0.32, 0.36, dice.count(4, 10))
    for x0, x1 in pairwise(stops):
        x1 -= 0.015
        if style == 0:  # hatches
            parts.append(Part(rectangle(x0, x1, -wide * 0.32, wide * 0.32), shade(dice, deck)))
        elif style == 1:  # stacks of containers
            for y in np.linspace(-0.45, 0.45, dice.count(3, 6))[:-1]:
                parts.append(Part(rectangle(x0, x1, wide * y, wide * (y + 0.2)), colour(dice)))
    if style == 2:  # pipes
        for y in (-0.1, 0, 0.1):
            pipe = rectangle(-0.32, 0.36, wide * y - 0.004, wide * y + 0.004)
            parts.append(Part(pipe, colour(dice)))
        for x in stops:
            parts.append(Part(block(0.008, wide * 0.8, x), colour(dice)))
    elif dice.chance(0.4):  # deck cranes
        for x in stops[1:-1:2]:
            jib = ribbon([(x, 0), np.array([x, 0]) + dice.aside(0.06, 0.14)], 0.012)
            parts += [Part(jib, colour(dice, PALE)), Part(block(0.03, 0.03, x), colour(dice))]
    tower = block(dice.between(0.05, 0.1), wide * 0.85, -0.4)
    parts += [Part(tower, colour(dice, PALE)), Part(tower * [1, 0.4] - [0.02, 0], colour(dice))]
    return parts


def liner(dice: Dice, paint: Colour) -> list[Part]:
    """Return a ferry or a cruise ship: decks inside one another, boats along the sides."""
    wide = dice.between(0.12, 0.24)
    hull = _deck(dice, wide, dice.between(0.12, 0.25), dice.between(0.7, 1))
    parts = [Part(hull, paint, True)]
    scale = 1.0
    for _ in range(dice.count(2, 4)):
        scale *= dice.between(0.7, 0.93)
        deck = hull * [scale, 0.5 + scale / 2] - [0.03, 0]
        parts.append(Part(deck, shade(dice, paint)))
    for x in np.arange(-0.3, 0.25, 0.08) if dice.chance(0.5) else ():
        parts += [Part(block(0.05, 0.014, x, side * wide * 0.42), np.array([210.0, 110, 50]))
                  for side in (-1, 1)]  # fmt: skip
    pool, funnel = oval(0.1, wide * 0.3, 4, _COUNT), oval(0.06, wide * 0.3, 2, _COUNT)
    parts.append(Part(pool + [dice.between(-0.1, 0.2), 0], np.array([80.0, 170, 190])))
    parts.append(Part(funnel - [0.3, 0], colour(dice)))
    return parts


def tug(dice: Dice, paint: Colour) -> list[Part]:
    """Return a tug or a fishing boat: stout, a wheelhouse forward, gear on the after deck."""
    wide = dice.between(0.26, 0.4)
    hull = _deck(dice, wide, dice.between(0.2, 0.4), dice.between(0.75, 1))
    parts = [Part(hull, colour(dice, DARK) if dice.chance(0.5) else paint, True)]
    parts.append(Part(hull * [0.94, 0.84], paint))
    house = oval(dice.between(0.2, 0.34), wide * 0.6, 5, _COUNT) + [dice.between(0, 0.15), 0]
    parts += [Part(house, colour(dice, PALE)), Part(house * [1, 0.6] - [0.02, 0], colour(dice))]
    for _ in range(dice.count(0, 3)):
        size = dice.between(0.03, 0.1)
        gear = oval(size, size, 3, 12) + [dice.between(-0.4, -0.1), dice.between(-0.3, 0.3) * wide]
        parts.append(Part(gear, colour(dice)))
    if dice.chance(0.4):  # outriggers or an A-frame
        steel = colour(dice)
        parts.append(Part(block(0.012, wide * 0.9, -0.42), steel))
    return parts


def barge(dice: Dice, paint: Colour) -> list[Part]:
    """Return a barge or a dredger: a box, its holds, on some a crane or a ladder of buckets."""
    wide, ends = dice.between(0.18, 0.45), dice.between(4, 20)
    parts = [Part(oval(1, wide, ends, _COUNT), paint, True)]
    holds = np.linspace(-0.42, 0.42, dice.count(2, 5))
    for x0, x1 in pairwise(holds):
        hold = rectangle(x0 + 0.01, x1 - 0.01, -wide * 0.38, wide * 0.38)
        parts.append(Part(hold, shade(dice, paint)))
    if dice.chance(0.5):
        house = block(0.12, wide * 0.6, -0.38)
        parts.append(Part(house, colour(dice, PALE)))
    if dice.chance(0.4):
        foot = np.array([dice.between(-0.2, 0.2), 0])
        jib = ribbon([foot, foot + dice.aside(0.15, 0.5)], dice.between(0.02, 0.05))
        parts += [Part(jib, colour(dice), True), Part(block(0.1, 0.1) + foot, colour(dice))]
    return parts


def warship(dice: Dice, paint: Colour) -> list[Part]:
    """Return a grey slim ship with stepped houses, guns, a pad; or a flat carrier."""
    grey = np.array([130.0, 136, 140]) * dice.between(0.6, 1.3) + dice.rng.normal(0, 4, 3)
    grey = grey if dice.chance(0.8) else paint
    if dice.chance(0.2):
        wide = dice.between(0.18, 0.26)
        edge = [(-0.5, -0.3), (-0.2, -0.5), (0.2, -0.5), (0.4, -0.25), (0.5, -0.2), (0.5, 0.25),
                (0.3, 0.3), (0.1, 0.5), (-0.3, 0.5), (-0.5, 0.4)]  # fmt: skip
        parts = [Part(np.array(edge) * [1, wide], grey, True)]
        strip = turned(block(0.8, 0.008), dice.between(-0.15, 0.15))
        parts.append(Part(strip, np.array([220.0, 220, 215])))
        parts.append(Part(block(0.14, wide * 0.14, 0, wide * 0.38), tone(grey, 1.2)))
        return parts
    wide = dice.between(0.09, 0.15)
    hull = _deck(dice, wide, dice.between(0.3, 0.55), dice.between(0.6, 0.95))
    parts = [Part(hull, grey, True)]
    for _ in range(dice.count(3, 7)):
        long, half = dice.between(0.03, 0.16), wide / 2 * dice.between(0.3, 0.85)
        x = dice.between(-0.3, 0.15)
        parts.append(Part(rectangle(x, x + long, -half, half), tone(grey, dice.between(0.6, 1.4))))
    parts.append(Part(oval(0.05, wide * 0.4, 2, 12) + [0.28, 0], tone(grey, 0.8)))
    pad = arc(wide * 0.3, 0, 2 * np.pi, _COUNT) - [0.42, 0]
    parts.append(Part(pad, tone(grey, dice.between(0.7, 1.3))))
    return parts


def raft(dice: Dice, paint: Colour) -> list[Part]:
    """Return two or three boats side by side that one box means."""
    make, parts, y = dice.pick([boat, boat, sailing_boat, barge]), [], 0.0
    for number in range(2 if dice.chance(0.8) else 3):
        hull = make(dice, paint if number == 0 or dice.chance(0.5) else colour(dice))
        first = next(k for k, part in enumerate(hull) if part.solid)
        wide = np.ptp(hull[first].points[:, 1])
        shift = [dice.between(-0.08, 0.08), y + wide / 2]
        flip = [1 if dice.chance(0.8) else -1, 1]
        parts += [part._replace(points=part.points * flip + shift) for part in hull[first:]]
        y += wide * dice.between(0.97, 1.06)
    return [part._replace(points=part.points - [0, y / 2]) for part in parts]
