# ruff: noqa: RUF005 (arrays are added)
"""Courts, pitches, tracks, diamonds, pools, golf: flat on the ground. The longer side along x."""

import numpy as np

from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import Part, arc, block, oval, rectangle, turned
from samrs_mm.drawn.paint import GROUNDS, Colour, colour, marking, shade, tone

_CLAY = np.array([(165, 90, 65), (185, 130, 90), (150, 80, 60), (190, 155, 115)], float)
_WATER = np.array([(90, 180, 205), (70, 150, 175), (60, 130, 165), (110, 195, 200)], float)


def _frame(length: float, width: float, line: float, paint: Colour) -> list[Part]:
    """Return the four sides of a painted rectangle around the origin."""
    return [
        *(Part(block(length + line, line, 0, side * width / 2), paint) for side in (-1, 1)),
        *(Part(block(line, width, side * length / 2), paint) for side in (-1, 1)),
    ]


def court(dice: Dice, paint: Colour) -> list[Part]:
    """Return a tennis or a basketball court: often a field of another colour inside, lines."""
    wide, k, line = dice.between(0.42, 0.62), dice.between(0.62, 0.97), dice.between(0.005, 0.014)
    white = marking(dice)
    parts = [Part(block(1, wide), paint, True)]
    if dice.chance(0.7):
        parts.append(Part(block(k, wide * k), shade(dice, paint, 20)))
    parts += _frame(k, wide * k, line, white)
    parts.append(Part(block(line, wide * k), white))
    if dice.chance(0.5):  # tennis
        parts += [Part(block(k, line, 0, side * wide * k * 0.375), white) for side in (-1, 1)]
        parts += _frame(k * 0.54, wide * k * 0.75, line, white)
        parts.append(Part(block(k * 0.54, line), white))
    else:
        ring = arc(k * 0.07, 0, 2 * np.pi, 20)
        parts += [Part(ring, white), Part(ring * 0.8, shade(dice, paint))]
        lane = tone(paint, dice.between(0.7, 1.3))
        for side in (-1, 1):
            half, end = arc(k * 0.22, -np.pi / 2, np.pi / 2, 18) * [-side, 1], [side * k * 0.45, 0]
            parts += [Part(half + end, white), Part(half * 0.93 + end, shade(dice, paint))]
            parts.append(Part(block(k * 0.2, wide * 0.26, side * k * 0.4), lane))
    return parts


def pitch(dice: Dice, paint: Colour) -> list[Part]:
    """Return a soccer or a football field: mown stripes, faint or bright lines, worn goals."""
    wide, line = dice.between(0.45, 0.72), dice.between(0.004, 0.01)
    turf = colour(dice, GROUNDS['green'], wild=0.1) if dice.chance(0.85) else paint
    parts = [Part(block(1, wide), turf, True)]
    stripes = dice.count(6, 16)
    if dice.chance(0.5):
        other = tone(turf, dice.between(1.04, 1.2))
        edges = np.linspace(-0.5, 0.5, 2 * stripes + 1)
        for x0, x1 in zip(edges[::2], edges[1::2], strict=False):
            parts.append(Part(rectangle(x0, x1, -wide / 2, wide / 2), other))
    white = turf + (marking(dice) - turf) * dice.between(0.2, 1)
    parts += _frame(0.96, wide * 0.95, line, white)
    parts.append(Part(block(line, wide * 0.95), white))
    if dice.chance(0.7):
        ring = arc(0.085, 0, 2 * np.pi, 24)
        parts += [Part(ring, white), Part(ring * 0.9, turf)]
        for side in (-1, 1):
            box = _frame(0.15, wide * 0.58, line, white)
            parts += [part._replace(points=part.points + [side * 0.405, 0]) for part in box]
    else:  # yard lines
        for x in np.linspace(-0.42, 0.42, dice.count(7, 15)):
            parts.append(Part(block(line, wide * 0.95, x), white))
    if dice.chance(0.3):
        bare = colour(dice, GROUNDS['bare'])
        parts += [Part(oval(0.06, 0.12, 2, 12) + [side * 0.45, 0], bare) for side in (-1, 1)]
    return parts


def track(dice: Dice, paint: Colour) -> list[Part]:
    """Return a running track with what lies inside it, which belongs to the mask."""
    wide, lane = dice.between(0.44, 0.6), dice.between(0.05, 0.09)
    straight = 0.5 - wide / 2
    bend = arc(wide / 2, -np.pi / 2, np.pi / 2, 16)
    clay = colour(dice, _CLAY, wild=0.15) if dice.chance(0.75) else paint

    def ring(inset: float) -> np.ndarray:
        half = bend * (1 - 2 * inset / wide) + [straight, 0]
        return np.concatenate([half, -half])

    parts = [Part(ring(0), clay, True)]
    white = tone(clay, 1.3, 20)
    for inset in np.linspace(0, lane, dice.count(3, 8))[1:-1] if dice.chance(0.7) else ():
        parts += [Part(ring(inset), white), Part(ring(inset + 0.003), clay)]
    turf = colour(dice, GROUNDS['green'], wild=0.1)
    parts.append(Part(ring(lane), turf))
    if dice.chance(0.7):
        field = pitch(dice, turf)
        size = [2 * straight, (wide - 2 * lane) * dice.between(1, 1.3)]
        parts += [Part(part.points * size, part.paint) for part in field]
    else:
        parts.append(Part(oval(0.14, wide * 0.4, 4, 16) + [straight * 0.9, 0], clay))
    return parts


def diamond(dice: Dice, paint: Colour) -> list[Part]:
    """Return a baseball field: a fan of turf, the bare infield, a mound; or the infield alone."""
    clay, turf = colour(dice, _CLAY, wild=0.1), colour(dice, GROUNDS['green'], wild=0.1)
    half = dice.between(0.7, 0.9)
    fan = np.concatenate([[(0, 0)], arc(1, -half, half, 18)])
    infield = np.concatenate([[(-0.04, 0)], arc(dice.between(0.38, 0.5), -half, half, 14)])
    square = np.array([(0.04, 0), (0.2, 0.16), (0.36, 0), (0.2, -0.16)])
    if dice.chance(0.25):
        parts = [Part(infield * 2, clay, True), Part(square * 2, turf)]
    else:
        parts = [Part(fan, turf, True)]
        if dice.chance(0.5):
            parts += [Part(fan, clay), Part(fan * 0.96 + [0.02, 0], turf)]
        parts += [Part(infield, clay, True), Part(square, turf if dice.chance(0.7) else clay)]
    white = marking(dice)
    parts.append(Part(arc(0.03, 0, 2 * np.pi, 12) + [0.2, 0], clay))
    for side in (-1, 1):
        foul = turned(rectangle(0, 0.9, -0.004, 0.004), side * half * 0.97)
        parts.append(Part(foul if len(parts) > 4 else foul * 0.5, white))
    return [part._replace(points=part.points - [0.5, 0]) for part in parts]


def pool(dice: Dice, paint: Colour) -> list[Part]:
    """Return a swimming pool of any form: box, kidney, L, lobes; a rim that isn't in the mask."""
    blue = colour(dice, _WATER, wild=0.1) if dice.chance(0.85) else paint
    wide, style = dice.between(0.35, 0.8), dice.count(0, 4)
    if style == 0:
        waters = [oval(1, wide, dice.pick([30, 6, 2]), 28)]
    elif style == 1:  # a kidney
        t = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        bulge = 1 + dice.between(0.15, 0.4) * np.cos(2 * t) + dice.between(-0.2, 0.2) * np.sin(t)
        waters = [np.stack([np.cos(t), np.sin(t) * wide], 1) * bulge[:, None] * 0.4]
    elif style == 2:
        waters = [rectangle(-0.5, 0.5, -wide / 2, 0), rectangle(-0.5, dice.between(-0.2, 0.2),
                                                               -0.01, wide / 2)]  # fmt: skip
    elif style == 3:
        lobes = ((dice.between(-0.25, 0.25), dice.between(0.25, 0.5)) for _ in range(3))
        waters = [oval(0.9, wide * 0.6, 3, 24), *(oval(d, d, 2, 20) + [x, 0] for x, d in lobes)]
    else:  # lanes
        waters = [block(1, wide)]
    stone = colour(dice, GROUNDS['paved'][3:])
    rim = 1 + dice.between(0.05, 0.2)
    parts = [Part(water * rim, stone) for water in waters] if dice.chance(0.7) else []
    parts += [Part(water, blue, True) for water in waters]
    if style == 4:
        for y in np.linspace(-wide / 2, wide / 2, dice.count(4, 9))[1:-1]:
            parts.append(Part(block(0.98, 0.008, 0, y), shade(dice, blue)))
    elif dice.chance(0.5):
        parts.append(Part(waters[0] * 0.6, tone(blue, dice.between(0.75, 1.1))))
    if dice.chance(0.3):
        parts.append(Part(block(0.1, 0.02, 0.4), np.array([230.0, 230, 230])))
    return parts


def golf(dice: Dice, paint: Colour) -> list[Part]:
    """Return a golf course: fairways in one another's reach, greens, bunkers, ponds."""
    rough = colour(dice, GROUNDS['green'], wild=0.05)
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    waves = (dice.between(0, 0.3) / k * np.cos(k * t + dice.angle()) for k in range(2, 6))
    radius = 1 + sum(waves, np.zeros(40))
    edge = np.stack([np.cos(t) * 0.5, np.sin(t) * dice.between(0.25, 0.45)], 1) * radius[:, None]
    parts = [Part(edge, rough, True)]
    for _ in range(dice.count(2, 5)):
        lane = turned(oval(dice.between(0.3, 0.6), dice.between(0.06, 0.14), 2.5, 22),
                      dice.angle()) * [1, 0.7]  # fmt: skip
        middle = edge[dice.count(0, 39)] * dice.between(0, 0.45)
        parts.append(Part(lane * 0.8 + middle, tone(rough, dice.between(1.1, 1.5))))
        parts.append(Part(oval(0.06, 0.05, 2, 12) + middle, tone(rough, 1.6)))
    for _ in range(dice.count(2, 8)):
        spot = oval(dice.between(0.02, 0.07), dice.between(0.02, 0.05), 2, 10)
        place = edge[dice.count(0, 39)] * dice.between(0, 0.75)
        sand = np.array([215.0, 200, 165]) if dice.chance(0.75) else colour(dice, GROUNDS['water'])
        parts.append(Part(spot + place, sand))
    return parts
