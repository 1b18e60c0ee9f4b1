# ruff: noqa: RUF005 (arrays are added)
"""Tanks, chimneys, turbines, cranes, pads, stadiums, dams. The longer side along x, about 1."""

import numpy as np

from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import Part, arc, block, mirrored, oval, rectangle, ribbon, turned
from samrs_mm.drawn.paint import GROUNDS, PALE, Colour, colour, marking, shade, tone

_COUNT = 36


def _slid(points: np.ndarray, shift: np.ndarray, count: int = 6) -> np.ndarray:
    """Return the outline of a convex shape slid along a shift, as a hull of its points."""
    away = np.array([shift[1], -shift[0]])
    side = (points - points.mean(axis=0)) @ away
    first, last = int(side.argmax()), int(side.argmin())
    order = np.roll(points, -first, axis=0)
    split = (last - first) % len(points)
    ahead = order[: split + 1]
    behind = np.concatenate([order[split:], order[:1]])
    forward = (ahead.mean(axis=0) - behind.mean(axis=0)) @ shift >= 0
    near, far = (behind, ahead + shift) if forward else (behind + shift, ahead)
    return np.concatenate([far, near])


def tank(dice: Dice, paint: Colour) -> list[Part]:
    """Return a tank: a roof with rings, a sunk floating roof, its wall where seen at a slant."""
    wall, lean = oval(1, 1, 2, _COUNT), np.zeros(2)
    parts = [Part(wall, paint, True)]
    if dice.chance(0.35):
        lean = dice.aside(0.08, 0.3)
        parts = [Part(_slid(wall, lean), shade(dice, paint) * 0.7, True),
                 Part(wall + lean, paint, True)]  # fmt: skip
    if dice.chance(0.5):
        parts.append(Part(wall * dice.between(0.75, 0.95) + lean, shade(dice, paint)))
    if dice.chance(0.4):
        deep = dice.between(0.05, 0.3)
        parts.append(Part(wall * 0.88 + lean, paint * 0.35))
        parts.append(Part(wall * (0.88 - deep) + dice.aside(deep / 2, deep / 2) + lean,
                          shade(dice, paint)))  # fmt: skip
    for _ in range(dice.count(0, 3)):
        spot = oval(0.06, 0.06, 2, 12) * dice.between(0.6, 4)
        parts.append(Part(spot + dice.aside(0, 0.3) + lean, shade(dice, paint)))
    if dice.chance(0.3):
        steps = turned(rectangle(0, 0.48, -0.01, 0.01), dice.angle())
        parts.append(Part(steps + lean, shade(dice, paint)))
    if dice.chance(0.25):  # a basin around it
        parts.insert(0, Part(block(1, 1) * dice.between(1.2, 1.5), colour(dice, GROUNDS['bare'])))
    return parts


def chimney(dice: Dice, paint: Colour) -> list[Part]:
    """Return a chimney or a cooling tower: a foot, a shaft that leans with the view, a mouth."""
    if dice.chance(0.3):  # a cooling tower from above
        rim = oval(1, 1, 2, _COUNT)
        inner, lean = dice.between(0.55, 0.85), dice.aside(0, 0.08)
        parts = [Part(rim, paint, True), Part(rim * inner + lean, paint * 0.3)]
        if dice.chance(0.6):
            parts.append(Part(rim * inner * 0.8 + lean * 1.5, np.array([225.0, 228, 230])))
        return parts
    foot, mouth = dice.between(0.12, 0.3), dice.between(0.06, 0.14)
    mouth = min(mouth, foot * 0.8)
    shaft = mirrored([(-0.5 + foot / 2, foot / 2), (0.5 - mouth / 2, mouth / 2)])
    parts = [
        Part(oval(foot, foot, 2, 24) - [0.5 - foot / 2, 0], shade(dice, paint), True),
        Part(shaft, paint, True),
        Part(oval(mouth, mouth, 2, 20) + [0.5 - mouth / 2, 0], paint, True),
        Part(oval(mouth * 0.6, mouth * 0.6, 2, 14) + [0.5 - mouth / 2, 0], paint * 0.25),
    ]
    if dice.chance(0.4):  # red and white bands
        for x in np.arange(0.0, 0.4, 0.16):
            half = foot / 2 + (mouth - foot) / 2 * (x + 0.55)
            parts.insert(2, Part(rectangle(x, x + 0.08, -half * 0.95, half * 0.95),
                                 np.array([180.0, 60, 50])))  # fmt: skip
    return parts


def windmill(dice: Dice, paint: Colour) -> list[Part]:
    """Return a wind turbine: a thin mast that leans with the view, three thin blades, a hub."""
    white = colour(dice, PALE, wild=0) if dice.chance(0.9) else paint
    mast, reach = dice.between(0.25, 0.8), dice.between(0.3, 0.5)
    hub, wide = np.array([mast - 0.5, 0]), dice.between(0.025, 0.07)
    squash, phase = np.array([dice.between(0.35, 1), 1]), dice.angle()
    parts = [Part(mirrored([(mast - 0.5, wide * 0.35), (-0.5, wide * 0.6)]), tone(white, 0.85),
                  True)]  # fmt: skip
    blade = mirrored([(reach, 0.004), (reach * 0.25, wide / 2), (0, wide * 0.3)])
    for third in range(3):
        angle = phase + third * 2 * np.pi / 3
        parts.append(Part(turned(blade, angle) * squash + hub, tone(white, dice.between(0.85, 1)),
                          True))  # fmt: skip
    parts.append(Part(oval(wide * 2.5, wide * 1.4, 3, 14) + hub, white, True))
    if dice.chance(0.6):
        track = ribbon([(-0.5, 0), np.array([-0.5, 0]) + dice.aside(2, 4)], 0.08)
        parts.insert(0, Part(track, colour(dice, GROUNDS['bare'])))
    return parts


def crane(dice: Dice, paint: Colour) -> list[Part]:
    """Return a quay or a tower crane: a jib of lattice, legs across it, a machine house."""
    wide, parts = dice.between(0.05, 0.14), []
    beams = 2 if dice.chance(0.6) else 1
    for number in range(beams):
        y = (number - (beams - 1) / 2) * wide
        parts.append(Part(block(1, dice.between(0.018, 0.05), 0, y), paint, True))
    for x in np.linspace(-0.48, 0.48, dice.count(4, 12)):
        parts.append(Part(block(0.014, wide, x), paint, True))
    if dice.chance(0.7):  # the portal's legs stand along the quay
        foot, span = dice.between(-0.4, 0), dice.between(0.2, 0.5)
        for x in (foot, foot + dice.between(0.12, 0.25)):
            parts.append(Part(block(0.03, span, x), shade(dice, paint), True))
        for side in (-1, 1):
            parts.append(Part(block(0.3, 0.03, foot + 0.1, side * span / 2), tone(paint, 0.8),
                              True))  # fmt: skip
    house = block(dice.between(0.08, 0.16), wide * 1.3, dice.between(-0.45, 0))
    parts.append(Part(house, shade(dice, paint), True))
    return parts


def helipad(dice: Dice, paint: Colour) -> list[Part]:
    """Return a landing pad: a disc or a square, a ring, an H or a cross."""
    base = oval(1, 1, dice.pick([2, 2, 30]), _COUNT)
    ground = colour(dice, GROUNDS['paved']) if dice.chance(0.7) else paint
    line, wide = marking(dice), dice.between(0.02, 0.06)
    parts = [Part(base, ground, True)]
    inner = base if dice.chance(0.5) else oval(1, 1, 2, _COUNT)
    k = dice.between(0.6, 0.95)
    parts += [Part(inner * k, line), Part(inner * (k - wide), shade(dice, ground))]
    high, gap = dice.between(0.15, 0.25), dice.between(0.08, 0.14)
    if dice.chance(0.85):
        parts += [Part(block(2 * high, wide * 1.4, 0, side * gap), line) for side in (-1, 1)]
        parts.append(Part(block(wide * 1.4, 2 * gap, 0), line))
    return parts


def stadium(dice: Dice, paint: Colour) -> list[Part]:
    """Return a stadium: stands around a field, under a roof all around or on one side."""
    wide, power = dice.between(0.65, 1), dice.between(2, 5)
    bowl = oval(1, wide, power, _COUNT)
    field = oval(dice.between(0.5, 0.66), wide * dice.between(0.4, 0.62), 7, 24)
    parts = [Part(bowl, paint, True)]
    for k in np.linspace(0.95, 0.72, dice.count(1, 4)):
        parts.append(Part(bowl * k, shade(dice, paint)))
    for number in range(dice.count(0, 20)):
        stair = turned(rectangle(0.35, 0.5, -0.004, 0.004), number * np.pi / 10)
        parts.append(Part(stair * [1, wide], tone(paint, 0.7)))
    if dice.chance(0.5):
        parts.append(Part(field * 1.18, colour(dice, np.array([(150, 75, 58), (120, 120, 118.0)]))))
    parts.append(Part(field, colour(dice, GROUNDS['green'], wild=0.1)))
    if dice.chance(0.4):
        roof = ribbon(arc(0.43, -0.8, 0.8) * [1, wide], 0.14)
        parts.append(Part(roof, colour(dice, PALE)))
    return parts


def dam(dice: Dice, paint: Colour) -> list[Part]:
    """Return a dam: a straight or a bent crest across a valley, water on one side, its slope."""
    bend, wide = dice.between(-0.25, 0.25), dice.between(0.03, 0.16)
    x = np.linspace(-0.5, 0.5, 14)
    path = np.stack([x, bend * (1 - 4 * x**2)], 1)
    lake = np.concatenate([path, [(0.5, 3), (-0.5, 3)]]) * [dice.between(1, 1.8), 1]
    parts = [Part(lake, colour(dice, GROUNDS['water'], wild=0.05))]
    if dice.chance(0.6):
        river = dice.between(0.05, 0.3)
        parts.append(Part(rectangle(-river, river, -3, bend), colour(dice, GROUNDS['water'])))
    stone = colour(dice, np.concatenate([GROUNDS['paved'][3:], GROUNDS['bare']]))
    face = dice.between(0.03, 0.2)
    parts.append(Part(ribbon(path - [0, face / 2], face + wide), shade(dice, stone), True))
    parts.append(Part(ribbon(path, wide), stone, True))
    parts.append(Part(ribbon(path, wide * 0.4), shade(dice, stone)))
    if dice.chance(0.5):  # gates
        middle = path[abs(x) < 0.3]
        for gate in middle:
            parts.append(Part(block(0.025, face + wide, 0, -face / 2) + gate, tone(stone, 0.6)))
    return parts
