# ruff: noqa: RUF005 (arrays are added)
"""Planes and helicopters. A length of about 1 along x, the nose towards +x."""

import numpy as np

from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import Part, block, mirrored, oval, rectangle, ribbon, turned
from samrs_mm.drawn.paint import DARK, GLASS, Colour, colour, shade, tone

_COUNT = 20


def _wings(
    at: float, root: float, tip: float, sweep: float, span: float, bend: float = 0
) -> list[np.ndarray]:
    """Return both wings, from their leading edge at ``at``; the trailing edge has a bend."""
    edge = [
        (at, 0), (at - sweep, span / 2), (at - sweep - tip, span / 2),
        (at - root - bend, span * 0.15), (at - root - bend, 0),
    ]  # fmt: skip
    return [np.array(edge), np.array(edge) * [1, -1]]


def jet(dice: Dice, paint: Colour) -> list[Part]:
    """Return an airliner or a business jet: swept wings, engines below or at the tail."""
    thick, span, root = dice.between(0.08, 0.14), dice.between(0.7, 1.1), dice.between(0.12, 0.26)
    sweep, at = dice.between(0.1, 0.36), dice.between(0.02, 0.2)
    tip, wing = root * dice.between(0.2, 0.6), shade(dice, paint) if dice.chance(0.5) else paint
    parts = []
    engines = dice.pick([(), (0.32,), (0.32,), (0.3, 0.6)])
    for side in (-1, 1):
        for out in engines:
            pod = oval(0.1, 0.05, 3, 14) * dice.between(0.8, 1.2)
            parts.append(Part(pod + [at - sweep * out * 0.9 + 0.03, side * span / 2 * out],
                              shade(dice, paint), True))  # fmt: skip
    parts += [
        Part(half, wing, True)
        for half in _wings(at, root, tip, sweep, span, root * dice.between(0, 0.4))
    ]
    tail = dice.between(0.3, 0.42) * span
    parts += [Part(half, wing, True) for half in _wings(-0.34, 0.13, 0.06, sweep * 0.4, tail)]
    if not engines:
        parts += [Part(oval(0.18, 0.05, 3, 14) + [-0.28, side * (thick / 2 + 0.03)],
                       shade(dice, paint), True) for side in (-1, 1)]  # fmt: skip
    nose = oval(1, thick, dice.between(2.2, 4), 26)
    tapered = nose * np.stack([np.ones(26), np.clip(1.3 + nose[:, 0] * 2, 0.25, 1)], 1)
    parts.append(Part(tapered, paint, True))
    parts.append(Part(rectangle(-0.5, -0.3, -0.012, 0.012), shade(dice, paint)))
    if dice.chance(0.5):
        parts.append(Part(rectangle(-0.45, 0.38, -thick * 0.2, thick * 0.2), tone(paint, 1.15)))
    if dice.chance(0.5):
        parts.append(Part(oval(0.04, thick * 0.6, 2, 12) + [0.43, 0], GLASS))
    return parts


def light_plane(dice: Dice, paint: Colour) -> list[Part]:
    """Return a propeller plane: straight wings, a tail that tapers."""
    thick, span = dice.between(0.09, 0.17), dice.between(1, 1.45)
    root, at, sweep = dice.between(0.13, 0.22), dice.between(0.1, 0.28), dice.between(-0.03, 0.04)
    half = mirrored([(0.5, thick * 0.2), (0.3, thick / 2), (0, thick / 2), (-0.5, thick * 0.12)])
    parts = [Part(half, paint, True)]
    wing = shade(dice, paint) if dice.chance(0.3) else paint
    parts += [
        Part(side, wing, True)
        for side in _wings(at, root, root * dice.between(0.5, 1), sweep, span)
    ]
    parts += [
        Part(side, wing, True) for side in _wings(-0.36, 0.11, 0.09, 0.02, dice.between(0.34, 0.5))
    ]
    if dice.chance(0.4):  # twin engines
        pods = oval(0.2, 0.07, 3, 14) + [at, span * 0.16]
        parts += [Part(pods * [1, side], shade(dice, paint), True) for side in (-1, 1)]
    if dice.chance(0.6):
        stripe = colour(dice)
        parts += [Part(rectangle(at - root, at, side * span * 0.3, side * span * 0.34), stripe)
                  for side in (-1, 1)]  # fmt: skip
    parts.append(Part(block(0.1, thick * 0.7, 0.2), GLASS))
    return parts


def fighter(dice: Dice, paint: Colour) -> list[Part]:
    """Return a fighter: delta wings, tailplanes, two fins."""
    thick, span = dice.between(0.09, 0.17), dice.between(0.5, 0.8)
    skin = np.array([140.0, 146, 150]) * dice.between(0.5, 1.2) if dice.chance(0.7) else paint
    at, root = dice.between(0.1, 0.22), dice.between(0.36, 0.5)
    sides = _wings(at, root, dice.between(0.02, 0.12), root * dice.between(0.6, 0.95), span)
    parts = [Part(half, skin, True) for half in sides]
    if dice.chance(0.7):
        tails = _wings(-0.26, 0.14, 0.07, 0.14, span * dice.between(0.5, 0.75))
        parts += [Part(half, tone(skin, 0.95), True) for half in tails]
    body = mirrored([(0.5, 0), (0.3, thick * 0.35), (0.05, thick / 2), (-0.48, thick * 0.42)])
    parts.append(Part(body, skin, True))
    parts.append(Part(oval(0.14, thick * 0.4, 2, 14) + [0.26, 0], GLASS))
    parts += [Part(block(0.12, 0.012, -0.34, side * thick * 0.5), tone(skin, 0.7))
              for side in (-1, 1)]  # fmt: skip
    return parts


def helicopter(dice: Dice, paint: Colour) -> list[Part]:
    """Return a helicopter: cabin, tail boom, skids, rotors at rest or a blurred disc."""
    wide, long = dice.between(0.16, 0.26), dice.between(0.4, 0.55)
    cabin = oval(long, wide, dice.between(2, 3.5), 24) + [0.5 - long / 2, 0]
    boom = mirrored([(0.4, 0.05), (-0.5, dice.between(0.015, 0.03))])
    parts = [Part(boom, paint, True)]
    for x, span in ((-0.46, dice.between(0.1, 0.24)), (-0.34, dice.between(0.12, 0.26))):
        parts.append(Part(block(0.05, span, x), shade(dice, paint), True))
    if dice.chance(0.4):
        parts += [Part(block(long * 0.8, 0.016, 0.28, side * wide * 0.55),
                       colour(dice, DARK, wild=0), True) for side in (-1, 1)]  # fmt: skip
    parts += [Part(cabin, paint, True)]
    parts.append(Part(oval(long * 0.3, wide * 0.8, 3, 14) + [0.42, 0], GLASS))
    blades, phase, reach = dice.count(2, 5), dice.angle(), dice.between(0.35, 0.55)
    hub = np.array([0.5 - long * 0.55, 0])
    steel = colour(dice, DARK, wild=0.1)
    if dice.chance(0.75):
        for number in range(blades):
            tip = turned([(reach, 0)], phase + 2 * np.pi * number / blades)[0]
            parts.append(Part(ribbon([hub, hub + tip], 0.022), steel, True))
    parts.append(Part(oval(0.07, 0.07, 2, 12) + hub, steel))
    return parts
