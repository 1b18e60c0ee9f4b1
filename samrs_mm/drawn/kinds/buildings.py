# ruff: noqa: RUF005 (arrays are added)
"""Houses, halls, stations, and what is stacked beside them. The longer side along x, about 1."""

from itertools import pairwise

import numpy as np

from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import Part, block, mirrored, oval, rectangle
from samrs_mm.drawn.paint import GROUNDS, PALE, Colour, colour, marking, shade, tone

Wing = tuple[float, float, float, float]


def _wings(dice: Dice, wide: float) -> list[Wing]:
    """Return the rectangles ``x0, x1, y0, y1`` that a house is made of."""
    half = wide / 2
    a, b = dice.between(-0.3, 0.3), dice.between(-0.25, 0.25) * wide
    return dice.pick([
        [(-0.5, 0.5, -half, half)],
        [(-0.5, 0.5, -half, half)],
        [(-0.5, a, -half, half), (a, 0.5, -half, b)],
        [(-0.5, 0.5, -half, b), (a - 0.15, a + 0.2, b, half)],
        [(-0.5, -0.2, -half, half), (0.2, 0.5, -half, half), (-0.2, 0.2, -half, b)],
        [(-0.5, a, -half, b), (a - 0.1, 0.5, -wide * 0.3, half)],
        [(-0.5, -0.25, -half, half), (-0.25, 0.25, -half * 0.6, half * 0.6),
         (0.25, 0.5, -half, half)],
    ])  # fmt: skip


def _gable(dice: Dice, wing: Wing, paint: Colour) -> list[Part]:
    """Return the dark half of a roof with a ridge along its longer side."""
    x0, x1, y0, y1 = wing
    half = (x0, x1, y0, (y0 + y1) / 2) if x1 - x0 > y1 - y0 else (x0, (x0 + x1) / 2, y0, y1)
    return [Part(rectangle(*half), tone(paint, dice.between(0.5, 0.95)))]


def _hip(dice: Dice, wing: Wing, paint: Colour) -> list[Part]:
    """Return three of the four faces of a hipped roof, in tones of the light."""
    x0, x1, y0, y1 = wing
    deep = min(x1 - x0, y1 - y0) / 2 * dice.between(0.7, 1)
    along = x1 - x0 > y1 - y0
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    near, far = ((x0 + deep, cy), (x1 - deep, cy)) if along else ((cx, y0 + deep), (cx, y1 - deep))
    faces = (
        ([(x0, y0), (x1, y0), far if along else near, near], dice.between(0.5, 0.95)),
        ([(x0, y1), (x1, y1), far, near if along else far], dice.between(0.95, 1.25)),
        ([(x1, y0), (x1, y1), far, far if along else near], dice.between(0.75, 1.1)),
    )
    return [Part(np.array(points), tone(paint, light)) for points, light in faces]


def _flat(dice: Dice, wing: Wing, paint: Colour) -> list[Part]:
    """Return what lies inside the parapet of a flat roof, and its seams."""
    x0, x1, y0, y1 = wing
    edge = min(dice.between(0.01, 0.05), 0.2 * (y1 - y0), 0.2 * (x1 - x0))
    inner = rectangle(x0 + edge, x1 - edge, y0 + edge, y1 - edge)
    parts = [Part(inner, shade(dice, paint))]
    if dice.chance(0.35):
        seam = tone(paint, dice.between(0.75, 1.15))
        for x in np.linspace(x0, x1, dice.count(4, 12))[1:-1]:
            parts.append(Part(rectangle(x - 0.004, x + 0.004, y0, y1), seam))
    return parts


def _on_roof(dice: Dice, wing: Wing, paint: Colour) -> list[Part]:
    """Return hatches, chimneys, machines with their shadows."""
    x0, x1, y0, y1 = wing
    parts = []
    for _ in range(dice.count(0, 4)):
        size, x, y = dice.between(0.015, 0.07), dice.between(x0, x1), dice.between(y0, y1)
        if x0 < x - size and x + 1.5 * size < x1 and y0 < y - size and y + 1.5 * size < y1:
            parts.append(Part(block(2 * size, 2 * size, x + size / 2, y + size / 2), paint * 0.4))
            parts.append(Part(block(2 * size, 2 * size, x, y), colour(dice)))
    return parts


def house(dice: Dice, paint: Colour) -> list[Part]:
    """Return a house of one or more wings under a gabled, hipped or flat roof."""
    wings, roof = _wings(dice, dice.between(0.35, 1)), dice.pick([_gable, _hip, _flat])
    parts = [Part(rectangle(*wing), paint, True) for wing in wings]
    for wing in wings:
        parts += roof(dice, wing, paint) + _on_roof(dice, wing, paint)
    return parts


def hall(dice: Dice, paint: Colour) -> list[Part]:
    """Return a store or a works hall: large, flat or with many ridges, tents in a row."""
    wide, ribs = dice.between(0.2, 0.9), dice.count(3, 14)
    parts = [Part(rectangle(-0.5, 0.5, -wide / 2, wide / 2), paint, True)]
    stops, light = np.linspace(-0.5, 0.5, ribs + 1), dice.between(0.6, 0.95)
    if dice.chance(0.6):
        for x0, x1 in pairwise(stops):
            slope = rectangle(x0, (x0 + x1) / 2, -wide / 2, wide / 2)
            parts.append(Part(slope, tone(paint, light)))
    for _ in range(dice.count(0, 8)):
        x, y = dice.between(-0.45, 0.42), dice.between(-0.45, 0.4) * wide
        parts.append(Part(rectangle(x, x + 0.04, y, y + 0.03), colour(dice)))
    if dice.chance(0.3):
        lean = block(dice.between(0.2, 0.5), 0.1, dice.between(-0.2, 0.2), wide / 2 + 0.04)
        parts.append(Part(lean, shade(dice, paint), True))
    return parts


def train_station(dice: Dice, paint: Colour) -> list[Part]:
    """Return a station: long platform roofs, tracks that run on, the main hall across or aside."""
    wide, tracks = dice.between(0.2, 0.6), dice.count(2, 6)
    ballast, steel = colour(dice, GROUNDS['bare']) * 0.7, np.array([120.0, 112, 105])
    rows = np.linspace(-wide / 2, wide / 2, 2 * tracks + 1)
    parts = [Part(block(6, wide * 0.95), ballast)]
    for y in rows[1::2]:
        parts += [Part(block(6, 0.006, 0, y + side * 0.01), steel) for side in (-1, 1)]
    parts.append(Part(rectangle(-0.5, 0.5, rows[0], rows[-1]), tone(ballast, 1.1), True))
    for y in rows[1::2]:
        parts += [Part(block(1, 0.006, 0, y + side * 0.01), steel) for side in (-1, 1)]
    high = (rows[1] - rows[0]) * dice.between(0.6, 1)
    for y in rows[2:-1:2]:
        roof = shade(dice, paint)
        parts.append(Part(block(dice.between(0.6, 1), high, 0, y), roof, True))
    main = [block(dice.between(0.3, 0.8), 0.14, 0, wide / 2 + 0.06),
            block(dice.between(0.2, 0.5), wide * 1.1, dice.between(-0.2, 0.2))]  # fmt: skip
    parts.append(Part(dice.pick(main), paint, True))
    return parts


def toll_station(dice: Dice, paint: Colour) -> list[Part]:
    """Return a canopy across a road that widens; islands with booths, lanes, a building aside."""
    deep, lanes = dice.between(0.08, 0.25), dice.count(4, 12)
    road = colour(dice, GROUNDS['paved'])
    apron = mirrored([(0.9, 0.1), (0.28, 0.47), (-0.28, 0.47), (-0.9, 0.1)])[:, ::-1]
    parts = [Part(block(0.2, 8), road), Part(apron, road)]
    for x in np.linspace(-0.45, 0.45, lanes):
        parts.append(Part(block(0.014, dice.between(0.3, 0.5), x), colour(dice, PALE)))
    parts.append(Part(block(1, deep), paint, True))
    parts.append(Part(block(1, deep * 0.5, 0, deep * 0.25), shade(dice, paint)))
    for x in np.linspace(-0.45, 0.45, dice.count(3, 9)):
        parts.append(Part(block(0.012, deep, x), tone(paint, 0.85)))
    return parts


def service_area(dice: Dice, paint: Colour) -> list[Part]:
    """Return a paved area beside a road: pumps under a canopy, a shop, rows of parked vehicles."""
    wide, road = dice.between(0.35, 0.7), colour(dice, GROUNDS['paved'])
    parts = [Part(block(8, 0.14, 0, wide / 2 + 0.1), tone(road, 0.9))]
    ground = mirrored([(0.5, wide * 0.3), (0.36, wide / 2), (-0.36, wide / 2), (-0.5, wide * 0.3)])
    parts.append(Part(ground, road, True))
    for _ in range(dice.count(1, 3)):
        x, y = dice.between(-0.3, 0.3), dice.between(-0.3, 0.3) * wide
        parts.append(Part(block(dice.between(0.08, 0.25), dice.between(0.05, 0.15), x, y),
                          colour(dice), True))  # fmt: skip
    row = dice.between(-0.35, 0.35) * wide
    for x in np.arange(-0.32, 0.32, 0.04):
        parts.append(Part(block(0.004, 0.09, x, row), marking(dice)))
        if dice.chance(0.5):
            parts.append(Part(oval(0.022, 0.05, 4, 12) + [x + 0.02, row], colour(dice)))
    parts.append(Part(oval(0.2, 0.1, 3, 16) + [dice.between(-0.2, 0.2), -row],
                      colour(dice, GROUNDS['green'])))  # fmt: skip
    return parts


def containers(dice: Dice, paint: Colour) -> list[Part]:
    """Return a container or a stack of them side by side: ribs along each."""
    wide, rows = dice.between(0.14, 0.4), 1 if dice.chance(0.6) else dice.count(2, 5)
    parts = []
    for row in range(rows):
        box = block(1, wide, dice.between(-0.03, 0.03) if rows > 1 else 0, row * wide)
        body = paint if dice.chance(0.5) else colour(dice)
        parts.append(Part(box, body, True))
        if dice.chance(0.5):
            for x in np.linspace(-0.5, 0.5, dice.count(6, 16))[1:-1]:
                parts.append(Part(block(0.012, wide * 0.96, x, row * wide), tone(body, 0.8)))
    return parts
