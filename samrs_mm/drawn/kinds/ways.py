# ruff: noqa: RUF005 (arrays are added)
"""Bridges, crossings, piers, runways: things that go on beyond their box. About 1 along x."""

import numpy as np

from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import Part, arc, block, oval, rectangle, ribbon, turned
from samrs_mm.drawn.paint import GROUNDS, PALE, Colour, colour, marking, shade, tone

_FAR = 6.0


def _asphalt(dice: Dice) -> Colour:
    return colour(dice, GROUNDS['paved'], wild=0.05)


def _lines(dice: Dice, long: float, wide: float, y: float = 0) -> list[Part]:
    """Return painted lines along a road: edges, and dashes or a strip in the middle."""
    white, thin = marking(dice), max(wide * 0.035, 0.002)
    parts = []
    if dice.chance(0.6):
        parts += [Part(block(long, thin, 0, y + side * wide * 0.42), white) for side in (-1, 1)]
    if dice.chance(0.3):
        parts.append(Part(block(long, thin * 3, 0, y), colour(dice, PALE)))
    elif dice.chance(0.6):
        dash = max(wide * 0.5, long / 40)
        parts += [
            Part(block(dash, thin, x, y), white)
            for x in np.arange(-long / 2 + dash, long / 2 - dash / 2, 2 * dash)
        ]
    return parts


def _traffic(dice: Dice, long: float, wide: float) -> list[Part]:
    """Return vehicles on a road; they stay in its mask, as a label of the road means them."""
    parts, size = [], wide * 0.3
    for _ in range(dice.count(0, 5)):
        x, y = dice.between(-long / 2, long / 2 - 2 * size), dice.sign() * wide * 0.22
        parts.append(Part(oval(size * dice.between(1.2, 3), size * 0.6, 5, 14) + [x + size, y],
                          colour(dice)))  # fmt: skip
    return parts


def bridge(dice: Dice, paint: Colour) -> list[Part]:
    """Return a bridge: its deck between two banks, the road that goes on, what it crosses."""
    wide, road = dice.spread(0.03, 0.4), _asphalt(dice)
    across = dice.pick(['water', 'water', 'water', 'bare', 'paved', 'green'])
    under = rectangle(-0.45, 0.45, -_FAR, _FAR)
    bank = dice.between(-0.15, 0.15)
    under = under + np.stack([under[:, 1] * bank, np.zeros(4)], 1)
    parts = [Part(under, colour(dice, GROUNDS[across], wild=0.05))]
    way = road if dice.chance(0.7) else _asphalt(dice)
    parts.append(Part(block(2 * _FAR, wide * dice.between(0.7, 1)), way))
    parts.append(Part(block(1, wide), shade(dice, road) if dice.chance(0.5) else road, True))
    if dice.chance(0.6):
        rail, thin = colour(dice, PALE), max(wide * 0.08, 0.004)
        parts += [Part(block(1, thin, 0, side * (wide - thin) / 2), rail) for side in (-1, 1)]
    parts += _lines(dice, 1, wide)
    if dice.chance(0.25):  # trusses or cables
        steel = colour(dice)
        for x in np.linspace(-0.45, 0.45, dice.count(5, 14)):
            parts.append(Part(block(0.008, wide, x), steel))
    return parts + _traffic(dice, 1, wide)


def pier(dice: Dice, paint: Colour) -> list[Part]:
    """Return a harbour's jetty: long and thin, fingers on its sides, a head across its end."""
    wide, planks = dice.spread(0.02, 0.14), paint if dice.chance(0.5) else colour(dice, PALE)
    parts = []
    if dice.chance(0.5):  # the shore it starts from
        parts.append(Part(rectangle(-_FAR, -0.5, -_FAR, _FAR), colour(dice, GROUNDS['paved'])))
    style = dice.pick(['plain', 'plain', 'fingers', 'fingers', 'head', 'angle', 'block'])
    if style == 'block':
        wide = dice.between(0.15, 0.5)
    parts.append(Part(block(1, wide), planks, True))
    if style == 'fingers':
        long, thin = dice.between(0.06, 0.25), dice.between(0.008, 0.025)
        sides = dice.pick([(-1, 1), (-1, 1), (1,)])
        for x in np.linspace(-0.45, 0.5 - thin, dice.count(4, 12)):
            parts += [Part(rectangle(x, x + thin, *sorted((0, side * (wide / 2 + long)))),
                           planks, True) for side in sides]  # fmt: skip
    elif style == 'head':
        parts.append(Part(block(wide * dice.between(1, 3), dice.between(0.2, 0.6),
                                0.5 - wide / 2), planks, True))  # fmt: skip
    elif style == 'angle':
        parts.append(Part(rectangle(0.5 - wide, 0.5, 0, dice.between(0.2, 0.6)), planks, True))
    if dice.chance(0.4):
        for x in np.arange(-0.5, 0.48, dice.between(0.015, 0.05)):
            parts.append(Part(block(0.004, wide, x), tone(planks, 0.85)))
    for _ in range(dice.count(0, 5)):
        spot = block(wide * dice.between(0.2, 1), wide * dice.between(0.1, 0.4))
        parts.append(Part(spot + [dice.between(-0.45, 0.45), 0], colour(dice)))
    return parts


def harbour(dice: Dice, paint: Colour) -> list[Part]:
    """Return a quay of several piers as one object: a comb at the shore, or an L-shaped mole."""
    stone = colour(dice, GROUNDS['paved']) if dice.chance(0.6) else paint
    wide = dice.between(0.06, 0.2)
    parts = [Part(block(1, wide), stone, True)]
    if dice.chance(0.6):
        long = dice.between(0.25, 0.7)
        for x in np.linspace(-0.45, 0.45, dice.count(2, 5)):
            parts.append(Part(rectangle(x - 0.025, x + 0.025, 0, long), shade(dice, stone), True))
    else:
        bend = arc(dice.between(0.3, 0.5), 0, np.pi / 2, 12) * [1, 1]
        parts.append(Part(ribbon(bend + [0.5 - bend[0, 0], 0], wide * 0.7), stone, True))
    for _ in range(dice.count(0, 5)):
        spot = block(dice.between(0.02, 0.12), wide * dice.between(0.2, 0.6))
        parts.append(Part(spot + [dice.between(-0.42, 0.42), 0], colour(dice)))
    return parts


def roundabout(dice: Dice, paint: Colour) -> list[Part]:
    """Return a roundabout: a ring of road around an island, roads that run into it."""
    road, arms, phase = _asphalt(dice), dice.count(3, 5), dice.angle()
    island, disc = dice.between(0.3, 0.75), oval(1, 1, 2, 36)
    parts = []
    for number in range(arms):
        way = turned(rectangle(0, _FAR, -0.1, 0.1), phase + number * 2 * np.pi / arms)
        parts.append(Part(way, road))
    parts.append(Part(disc, road, True))
    if dice.chance(0.5):
        parts.append(Part(disc * dice.between(0.93, 0.97), shade(dice, road)))
    kerb = colour(dice, PALE)
    inner = colour(dice, GROUNDS['green']) if dice.chance(0.8) else colour(dice, GROUNDS['bare'])
    parts += [Part(disc * (island + 0.03), kerb), Part(disc * island, inner)]
    if dice.chance(0.5):
        parts.append(Part(disc * island * dice.between(0.2, 0.7), shade(dice, inner)))
    for _ in range(dice.count(0, 4)):
        place = dice.aside((island + 1) / 4, (island + 1) / 4)
        parts.append(Part(turned(oval(0.1, 0.05, 5, 12), dice.angle()) + place, colour(dice)))
    return parts


def crossing(dice: Dice, paint: Colour) -> list[Part]:
    """Return a crossing of two roads, cut off where its box ends: stripes, stop lines."""
    road, arms = _asphalt(dice), dice.pick([(0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 3)])
    wide, other = dice.between(0.25, 0.6), dice.between(0.25, 0.6)
    parts, white = [], marking(dice)
    for arm in arms:
        way = rectangle(0, _FAR, -wide / 2, wide / 2) * [1, 1 if arm % 2 == 0 else other / wide]
        parts.append(Part(turned(way, arm * np.pi / 2), road))
    solid = [rectangle(0, 0.5, -wide / 2, wide / 2) * [1, 1 if arm % 2 == 0 else other / wide]
             for arm in arms]  # fmt: skip
    parts += [
        Part(turned(way, arm * np.pi / 2), road, True) for way, arm in zip(solid, arms, strict=True)
    ]
    parts.append(Part(block(other, wide), road, True))
    corner = oval(max(wide, other) * 1.25, max(wide, other) * 1.25, 3, 28)
    parts.append(Part(corner * np.clip(0.5 / np.abs(corner).max(), 0, 1), road, True))
    for arm in arms:
        half, far = (wide, other) if arm % 2 == 0 else (other, wide)
        x = min(far / 2 + 0.05, 0.42)
        for y in np.linspace(-0.4, 0.4, 7) if dice.chance(0.7) else ():
            stripe = rectangle(x, x + 0.06, half * (y - 0.03), half * (y + 0.03))
            parts.append(Part(turned(stripe, arm * np.pi / 2), white))
        line = rectangle(min(x + 0.07, 0.48), 0.5, -0.005, 0.005)
        parts.append(Part(turned(line, arm * np.pi / 2), white))
    return parts + _traffic(dice, 0.9, wide)


def overpass(dice: Dice, paint: Colour) -> list[Part]:
    """Return roads over one another, with or without the ramps between them."""
    road, wide = _asphalt(dice), dice.between(0.06, 0.22)
    below, turn = _asphalt(dice), dice.between(0.8, 2.3)
    lower = turned(block(2 * _FAR, wide * dice.between(0.6, 1.5)), turn)
    parts = [Part(block(2 * _FAR, wide), road), Part(lower, below)]
    if dice.chance(0.45):  # an interchange: all of it is meant
        cut = rectangle(-0.5, 0.5, -wide / 2, wide / 2)
        parts.append(Part(turned(cut * [1, dice.between(0.6, 1.5)], turn), below, True))
        for quarter in range(4) if dice.chance(0.7) else (0, 2):
            loop = arc(dice.between(0.1, 0.2), 0, 1.9 * np.pi, 20)
            middle = turned([(0.22, 0)], turn / 2 + quarter * np.pi / 2)
            parts.append(Part(ribbon(loop + middle, wide * 0.4), shade(dice, road), True))
    parts.append(Part(block(1, wide), road, True))
    if dice.chance(0.5):
        rail = colour(dice, PALE)
        parts += [Part(block(1, wide * 0.06, 0, side * wide * 0.47), rail) for side in (-1, 1)]
    return parts + _lines(dice, 1, wide) + _traffic(dice, 0.9, wide)


def runway(dice: Dice, paint: Colour) -> list[Part]:
    """Return a runway or a taxiway: long, with its paint and the rubber at its ends."""
    wide, road = dice.spread(0.025, 0.12), _asphalt(dice)
    parts = [Part(block(1, wide), road, True)]
    for side in (-1, 1):
        touch = oval(0.2, wide * 0.5, 2, 16) + [side * 0.36, 0]
        parts.append(Part(touch, tone(road, dice.between(0.6, 1))))
        for y in np.linspace(-0.4, 0.4, 8):
            parts.append(Part(block(0.03, wide * 0.05, side * 0.46, wide * y), marking(dice)))
    return parts + _lines(dice, 0.9, wide)


def airport(dice: Dice, paint: Colour) -> list[Part]:
    """Return an airport as one object: runway, taxiways, aprons, terminals with their jets."""
    road, gap = _asphalt(dice), dice.between(0.12, 0.35)
    parts = [Part(block(1, dice.between(0.03, 0.07)), road, True)]
    parts.append(Part(block(0.9, 0.02, 0, gap), shade(dice, road), True))
    for x in np.linspace(-0.42, 0.42, dice.count(2, 5)):
        parts.append(Part(ribbon([(x, 0), (x + dice.between(-0.05, 0.05), gap)], 0.02), road, True))
    if dice.chance(0.4):
        turn = turned(block(dice.between(0.6, 1), 0.04), dice.between(0.3, 1.2))
        parts.append(Part(turn, shade(dice, road), True))
    long, deep = dice.between(0.2, 0.5), dice.between(0.1, 0.25)
    x = dice.between(-0.5 + long / 2, 0.5 - long / 2)
    parts.append(Part(block(long, deep, x, gap + deep / 2), colour(dice, GROUNDS['paved']), True))
    parts.append(Part(block(long * 0.7, deep * 0.4, x, gap + deep), colour(dice, PALE), True))
    for place in np.linspace(x - long * 0.4, x + long * 0.4, dice.count(3, 9)):
        spot = [place, gap + deep * 0.5]
        parts += [
            Part(block(0.004, 0.03) + spot, PALE[0]),
            Part(block(0.024, 0.005) + spot, PALE[0]),
        ]
    return parts + _lines(dice, 0.95, 0.04)
