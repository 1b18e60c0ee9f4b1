# ruff: noqa: RUF005 (arrays are added)
"""Road and works vehicles. A length of about 1 along x, the head towards +x."""

import numpy as np

from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import Part, block, oval, rectangle
from samrs_mm.drawn.paint import DARK, GLASS, Colour, colour, shade, tone

_COUNT = 24


def _window(front: float, depth: float, low: float, high: float, glass: Colour) -> Part:
    """Return a slanted pane from ``front`` back by ``depth``, its widths at both ends."""
    x = front - depth
    corners = [(front, -low / 2), (x, -high / 2), (x, high / 2), (front, low / 2)]
    return Part(np.array(corners), glass)


def car(dice: Dice, paint: Colour) -> list[Part]:
    """Return a car, an estate or a pick-up: body, panes, reflections of the sky."""
    wide, glass = dice.between(0.38, 0.56), GLASS * dice.between(0.4, 1.3)
    front, back, low = dice.between(0.12, 0.22), dice.between(0.26, 0.42), dice.between(0.7, 0.92)
    parts = [Part(oval(1, wide, dice.between(3, 7), _COUNT), paint, True)]
    parts.append(_window(front, 0.13, wide * low, wide * 0.72, glass))
    if dice.chance(0.75):
        parts.append(_window(-back, -0.1, wide * low, wide * 0.72, glass))
    if dice.chance(0.4):
        parts += [
            Part(block(front + back - 0.16, 0.04, (front - back) / 2, side * wide * 0.45), glass)
            for side in (-1, 1)
        ]
    if dice.chance(0.3):
        roof = rectangle(0.1 - back, front - 0.13, -wide * 0.35, wide * 0.35)
        parts.append(Part(roof, shade(dice, paint)))
    if dice.chance(0.15):  # the bed of a pick-up
        bed = rectangle(-0.46, -0.08, -wide * 0.4, wide * 0.4)
        parts.append(Part(bed, colour(dice, DARK) if dice.chance(0.5) else colour(dice)))
    if dice.chance(0.4):  # bonnet, roof and boot reflect the sky or the sun
        for x0, x1 in ((-0.47, -back), (0.1 - back, front - 0.13), (front, 0.47)):
            if dice.chance(0.6):
                pane = oval(x1 - x0, wide * dice.between(0.5, 0.85), 5, _COUNT)
                light = tone(paint, dice.between(0.5, 1.6), dice.between(0, 60))
                parts.append(Part(pane + [(x0 + x1) / 2, 0], light))
    return parts


def van(dice: Dice, paint: Colour) -> list[Part]:
    """Return a van or a camper: one body, a short nose, things on the roof."""
    wide, nose = dice.between(0.3, 0.48), dice.between(0.05, 0.2)
    parts = [Part(oval(1, wide, dice.between(6, 14), _COUNT), paint, True)]
    parts.append(_window(0.5 - nose, dice.between(0.05, 0.12), wide * 0.9, wide * 0.8, GLASS))
    for _ in range(dice.count(0, 3)):
        x, long = dice.between(-0.45, 0.1), dice.between(0.04, 0.2)
        high = wide * dice.between(0.1, 0.4)
        parts.append(Part(rectangle(x, x + long, -high, high), shade(dice, paint)))
    return parts


def bus(dice: Dice, paint: Colour) -> list[Part]:
    """Return a bus, with or without a bonnet: hatches, stripes, a lit and a dark side."""
    wide, cab = dice.between(0.13, 0.42), dice.between(0.1, 0.3)
    narrow = wide * dice.between(0.8, 1)
    bonnet = paint if dice.chance(0.6) else colour(dice)
    parts = [
        Part(oval(1 - cab * 0.6, wide, dice.between(5, 14), _COUNT) - [cab * 0.3, 0], paint, True),
        Part(oval(cab * 1.4, narrow, dice.between(3, 9), _COUNT) + [0.5 - cab * 0.7, 0],
             bonnet, True),
    ]  # fmt: skip
    for _ in range(dice.count(0, 5)):
        x, size = dice.between(-0.4, 0.35), dice.between(0.01, 0.05)
        y = dice.between(-wide / 4, wide / 4)
        parts.append(Part(block(2 * size, 2 * size, x, y), colour(dice)))
    if dice.chance(0.5):
        stripe, ends = shade(dice, paint), (-0.5, 0.5 - cab)
        for y in (-0.3, 0, 0.3):
            parts.append(Part(rectangle(*ends, wide * (y - 0.04), wide * (y + 0.04)), stripe))
    if dice.chance(0.5):
        x0, x1 = 0.5 - cab, 0.5 - cab * dice.between(0.55, 0.8)
        pane = rectangle(x0, x1, -narrow * 0.4, narrow * 0.4)
        parts.append(Part(pane, GLASS * dice.between(0.5, 2)))
    if dice.chance(0.4):
        side = dice.pick([(-0.5, -0.3), (-0.5, 0.3), (0.3, 0.5)])
        parts.append(Part(rectangle(-0.5, 0.45, wide * side[0], wide * side[1]),
                          shade(dice, paint)))  # fmt: skip
    return parts


def _load(dice: Dice, x0: float, x1: float, wide: float, paint: Colour) -> list[Part]:
    """Return what lies on a bed, or the ribs of a box."""
    style, parts = dice.count(0, 4), []
    if style == 0:
        for x in np.arange(x0 + 0.02, x1 - 0.1, 0.2):
            end = min(x + dice.between(0.05, 0.2), x1)
            parts.append(Part(rectangle(x, end, -wide * 0.4, wide * 0.4), colour(dice)))
    elif style == 1:
        rib = tone(paint, dice.between(0.75, 1.2))
        for x in np.linspace(x0, x1, dice.count(4, 9))[1:-1]:
            parts.append(Part(block(0.014, wide, x), rib))
    elif style == 2:  # an open bed, loose load in it
        inner = rectangle(x0 + 0.02, x1 - 0.02, -wide * 0.42, wide * 0.42)
        parts.append(Part(inner, tone(paint, dice.between(0.3, 0.7))))
        if dice.chance(0.7):
            heap = oval((x1 - x0) * 0.8, wide * 0.7, 2.5, _COUNT) + [(x0 + x1) / 2, 0]
            parts.append(Part(heap, colour(dice)))
    return parts


def truck(dice: Dice, paint: Colour) -> list[Part]:
    """Return a lorry: a cab, a gap bridged by the chassis, a box or a bed."""
    wide, cab, gap = dice.between(0.14, 0.42), dice.between(0.1, 0.3), dice.between(0, 0.05)
    narrow, tail = wide * dice.between(0.8, 1), 0.5 - cab - gap
    parts = [
        Part(block(0.9, wide * 0.4), colour(dice), True),
        Part(rectangle(-0.5, tail, -wide / 2, wide / 2), paint, True),
        *_load(dice, -0.5, tail, wide, paint),
        Part(oval(cab, narrow, dice.between(4, 9), _COUNT) + [0.5 - cab / 2, 0],
             colour(dice), True),
    ]  # fmt: skip
    if dice.chance(0.6):
        pane = rectangle(0.5 - cab * 0.55, 0.5 - cab * 0.3, -narrow * 0.42, narrow * 0.42)
        parts.append(Part(pane, GLASS * dice.between(0.5, 2)))
    return parts


def trailer(dice: Dice, paint: Colour) -> list[Part]:
    """Return a trailer without its tractor, or a flat bed with a drawbar."""
    wide, bar = dice.between(0.15, 0.35), dice.pick([0, dice.between(0.08, 0.2)])
    parts = [Part(rectangle(-0.5, 0.5 - bar, -wide / 2, wide / 2), paint, True)]
    parts += _load(dice, -0.5, 0.5 - bar, wide, paint)
    if bar:
        tip = [(0.5 - bar, -wide * 0.25), (0.5, -0.01), (0.5, 0.01), (0.5 - bar, wide * 0.25)]
        parts.append(Part(np.array(tip), colour(dice, DARK), True))
    return parts


def tractor(dice: Dice, paint: Colour) -> list[Part]:
    """Return a farm or a road tractor: bonnet, cab, wheels that stand out."""
    wide, body = dice.between(0.5, 0.75), dice.between(0.2, 0.36)
    rubber = colour(dice, DARK, wild=0)
    parts = [Part(block(0.34, wide * 0.26, -0.28, side * wide * 0.37), rubber, True)
             for side in (-1, 1)]  # fmt: skip
    small = block(0.2, wide * 0.18, 0.3, wide * dice.between(0.28, 0.38))
    parts += [Part(small * [1, side], rubber, True) for side in (-1, 1)]
    parts.append(Part(block(0.16, wide * 0.6, -0.25), rubber, True))
    parts.append(Part(block(0.08, wide * 0.6, 0.3), rubber, True))
    parts.append(Part(oval(0.95, body, 6, _COUNT), paint, True))
    cab = block(dice.between(0.25, 0.4), body * dice.between(1, 1.6), -0.18)
    parts += [Part(cab, shade(dice, paint), True), Part(cab * 0.7 - [0.05, 0], GLASS)]
    return parts


def excavator(dice: Dice, paint: Colour) -> list[Part]:
    """Return a digger: two tracks, a house with its cab, a boom of any direction with a bucket."""
    steel, wide = colour(dice, DARK, wild=0), dice.between(0.34, 0.46)
    parts = [Part(block(0.5, 0.11, -0.22, side * wide / 2), steel, True) for side in (-1, 1)]
    parts.append(Part(block(0.3, wide, -0.22), tone(steel, 1.2), True))
    turn = dice.between(-0.8, 0.8)
    cos, sin = np.cos(turn), np.sin(turn)
    swing = np.array([[cos, sin], [-sin, cos]])
    middle, reach = np.array([-0.22, 0.0]), dice.between(0.55, 0.72)
    arm = [block(reach, 0.07, reach / 2), block(0.11, dice.between(0.12, 0.24), reach)]
    house = oval(0.42, dice.between(0.28, 0.38), 7, _COUNT)
    parts += [Part(arm[0] @ swing + middle, shade(dice, paint), True)]
    parts += [Part(arm[1] @ swing + middle, steel, True)]
    parts += [Part(house @ swing + middle, paint, True)]
    parts.append(Part(block(0.16, 0.13, 0.08, -0.08) @ swing + middle, GLASS))
    return parts


def dump_truck(dice: Dice, paint: Colour) -> list[Part]:
    """Return a tipper: a wide open bed, often filled, and a cab."""
    wide, cab = dice.between(0.38, 0.56), dice.between(0.2, 0.3)
    bed = rectangle(-0.5, 0.52 - cab, -wide / 2, wide / 2)
    inner = rectangle(-0.47, 0.48 - cab, -wide * 0.42, wide * 0.42)
    parts = [
        Part(oval(cab, wide * dice.between(0.75, 0.95), 6, _COUNT) + [0.5 - cab / 2, 0],
             shade(dice, paint), True),
        Part(bed, paint, True),
        Part(inner, tone(paint, dice.between(0.4, 0.8))),
    ]  # fmt: skip
    if dice.chance(0.6):
        heap = oval(0.7 - cab, wide * 0.75, 2.4, _COUNT) * dice.between(0.7, 1)
        parts.append(Part(heap - [cab / 2, 0], colour(dice)))
    parts.append(Part(block(0.04, wide * 0.7, 0.5 - cab * 0.35), GLASS))
    return parts
