"""Forms of no name, so that the network learns to follow any outline. About 1 along x."""

import numpy as np

from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.outlines import Part, block, oval, rectangle
from samrs_mm.drawn.paint import Colour, colour, shade


def blob_outline(dice: Dice) -> np.ndarray:
    """Return a ragged or a smooth closed outline ``(N, 2)`` around the origin, about 1 long."""
    count = dice.count(3, 8)
    if dice.chance(0.5):
        t = np.sort(dice.rng.uniform(0, 2 * np.pi, count + 2))
        radius = dice.rng.uniform(0.45, 1, len(t))
    else:
        t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        waves = (dice.between(0, 0.35) / k * np.cos(k * t + dice.angle()) for k in range(2, count))
        radius = 1 + sum(waves, np.zeros(40))
    outline = np.stack([np.cos(t), np.sin(t) * dice.between(0.3, 1)], 1) * radius[:, None]
    outline /= max(np.ptp(outline[:, 0]), np.ptp(outline[:, 1]), 0.1)
    return outline - (outline.max(axis=0) + outline.min(axis=0)) / 2


def blob(dice: Dice, paint: Colour) -> list[Part]:
    """Return a patch of any outline, with patches inside it."""
    outline = blob_outline(dice)
    parts, middle = [Part(outline, paint, True)], outline.mean(axis=0)
    for _ in range(dice.count(0, 2)):
        inner = (outline - middle) * dice.between(0.2, 0.85) + middle
        parts.append(Part(inner, shade(dice, paint)))
    return parts


def bar(dice: Dice, paint: Colour) -> list[Part]:
    """Return a box or an oval of any width, with bands across it."""
    wide = dice.spread(0.12, 1)
    outline = block(1, wide) if dice.chance(0.5) else oval(1, wide, dice.between(2, 9), 28)
    parts = [Part(outline, paint, True)]
    for _ in range(dice.count(0, 3)):
        x, long = dice.between(-0.5, 0.4), dice.between(0.02, 0.4)
        half = wide / 2 * dice.between(0.3, 0.95)
        parts.append(Part(rectangle(x, min(x + long, 0.48), -half, half), shade(dice, paint)))
    return parts


def scatter(dice: Dice, paint: Colour) -> list[Part]:
    """Return bars at right angles to one another, joined along the x axis."""
    wide = dice.between(0.03, 0.3)
    parts = [Part(block(1, wide), paint, True)]
    for _ in range(dice.count(1, 4)):
        x, reach = dice.between(-0.5, 0.4), dice.between(0.1, 0.5)
        thick, side = dice.between(0.03, 0.3), dice.pick([-1, 1, 0])
        ends = (-reach * 0.6, reach * 0.6) if side == 0 else sorted((0.0, side * reach))
        limb = rectangle(x, min(x + thick, 0.5), *ends)
        parts.append(Part(limb, paint if dice.chance(0.6) else colour(dice), True))
    return parts
