"""Structures of the demo scenes: jetties, tanks, courts, pools, turbines, trees, buildings.

As in ``demo_objects``: a local frame, head towards +x, pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samrs_mm.drawn.canvas import ellipse, rectangle, rounded_rectangle, stroke
from samrs_mm.drawn.objects import WHITE, Colour, Sprite, pick, tone

LINE: Colour = (222, 224, 218)


def jetty(
    rng: np.random.Generator, length: float, fingers: np.ndarray, reach: float, deck: Colour
) -> Sprite:
    """Draw a landing stage along +x with finger piers, ``reach`` px long, at the given x."""
    walk = [
        rectangle(-length / 2, length / 2, -4.5, 4.5),
        rectangle(length / 2 - 9, length / 2, -14, 14),
    ]
    piers = [rectangle(x - 1.6, x + 1.6, -reach, reach) for x in fingers]
    planks = [rectangle(x, x + 0.7, -4.5, 4.5) for x in np.arange(-length / 2, length / 2, 4.0)]
    parts = [([*piers], tone(deck, 1.1)), ([*walk], deck), (planks, (*tone(deck, 0.75), 0.5))]
    lamps = [ellipse(x, rng.choice([-3.2, 3.2]), 1.0, count=8) for x in fingers]
    return Sprite([*walk, *piers], [*parts, (lamps, WHITE)], height=2.0)


def storage_tank(
    rng: np.random.Generator, radius: float, roofs: Sequence[Colour], sun: np.ndarray
) -> Sprite:
    """Draw a storage tank with a conical or a floating roof.

    Args:
        rng: Source of randomness.
        radius: Pixels.
        roofs: Colours to choose from.
        sun: Unit vector in which shadows fall, in the tank's own frame.
    """
    paint, wall = pick(rng, roofs), ellipse(0, 0, radius, count=64)
    parts = [([wall], tone(paint, 0.78))]
    if rng.random() < 0.55:
        for a in np.arange(24) * np.pi / 12:
            facing = -np.cos(a + np.pi / 24) * sun[0] - np.sin(a + np.pi / 24) * sun[1]
            arc = a + np.linspace(0, np.pi / 12 + 0.02, 4)
            wedge = np.concatenate(
                [np.zeros((1, 2)), np.stack([np.cos(arc), np.sin(arc)], 1) * radius * 0.95]
            )
            parts.append(([wedge], tone(paint, 1 + 0.1 * facing)))
        parts.append(([ellipse(0, 0, max(radius * 0.08, 1.2))], tone(paint, 0.6)))
    else:
        depth = radius * rng.uniform(0.1, 0.3)
        parts += [
            ([wall * 0.96], tone(paint, 1.1)),
            ([wall * 0.9], tone(paint, 0.42)),
            ([wall * (0.9 - depth / radius) + sun * depth], tone(paint, 0.85)),
            ([wall * (0.62 - depth / radius) + sun * depth], tone(paint, 0.92)),
        ]
    turn = rng.uniform(0, 2 * np.pi)
    rail = np.array([[np.cos(turn), np.sin(turn)]]) * [[radius * 0.1], [radius]]
    return Sprite(
        [wall],
        [*parts, (stroke(rail, 1.2), tone(paint, 0.62))],
        height=radius * rng.uniform(0.35, 0.6),
    )


def tennis_court(length: float, colour: Colour) -> Sprite:
    """Draw a tennis court up to its outer lines, 24 m being ``length`` px."""
    x, y = length / 2, length * 10.97 / 23.77 / 2
    court, single, service = rectangle(-x, x, -y, y), y * 0.75, x * 6.4 / 11.89
    lines = stroke(rectangle(-x, x, -y, y) * (1 - 1.2 / x, 1 - 1.2 / y), 1.0, closed=True)
    for side in (-1, 1):
        lines += stroke([(-x, side * single), (x, side * single)], 0.8)
        lines += stroke([(side * service, -single), (side * service, single)], 0.8)
    lines += stroke([(-service, 0), (service, 0)], 0.8)
    net = stroke([(0, -y), (0, y)], 1.1)
    return Sprite([court], [([court], colour), (lines, (*LINE, 0.85)), (net, (60, 66, 70, 0.9))])


def basketball_court(length: float, colour: Colour, key: Colour) -> Sprite:
    """Draw a basketball court, 28 m being ``length`` px."""
    x, y, m = length / 2, length * 15 / 28 / 2, length / 28
    court, keys, lines = rectangle(-x, x, -y, y), [], []
    for side in (-1, 1):
        keys.append(rectangle(-x, -x + 5.8 * m, -2.45 * m, 2.45 * m) * (side, 1))
        arc = np.linspace(-np.pi / 2, np.pi / 2, 15)
        three = np.stack([-x + 1.6 * m + 6.75 * m * np.cos(arc), 6.75 * m * np.sin(arc)], 1)
        lines += stroke(three * (side, 1), 0.9) + stroke(keys[-1], 0.9, closed=True)
    lines += stroke([(0, -y), (0, y)], 0.9) + stroke(
        ellipse(0, 0, 1.8 * m, count=20), 0.9, closed=True
    )
    lines += stroke(court * (1 - 1.2 / x, 1 - 1.2 / y), 1.0, closed=True)
    return Sprite([court], [([court], colour), (keys, key), (lines, (*LINE, 0.85))])


def soccer_field(length: float, width: float, turf: str) -> Sprite:
    """Draw a soccer field of mown stripes in the material ``turf``."""
    x, y, m = length / 2, width / 2, length / 105
    field_, stripe = rectangle(-x, x, -y, y), length / 14
    stripes = [rectangle(a, a + stripe, -y, y) for a in np.arange(-x, x - 1, 2 * stripe)]
    lines = stroke(field_ * (1 - 2 / x, 1 - 2 / y), 1.4, closed=True) + stroke(
        [(0, -y), (0, y)], 1.2
    )
    lines += stroke(ellipse(0, 0, 9.15 * m), 1.2, closed=True)
    for side in (-1, 1):
        for depth, half in ((16.5, 20.1), (5.5, 9.1)):
            box = rectangle(-x + 2, -x + depth * m, -half * m, half * m) * (side, 1)
            lines += stroke(box, 1.2, closed=True)
    return Sprite(
        [field_], [([field_], turf), (stripes, (150, 180, 90, 0.22)), (lines, (*LINE, 0.8))]
    )


def running_track(length: float, width: float, lanes: Colour, turf: str) -> Sprite:
    """Draw a running track: an oval of lanes around the material ``turf``."""

    def oval(inset: float) -> np.ndarray:
        radius = width / 2 - inset
        arc = np.linspace(-np.pi / 2, np.pi / 2, 24)
        bend = np.stack([np.cos(arc) * radius + (length - width) / 2, np.sin(arc) * radius], 1)
        return np.concatenate([bend, -bend])

    lane = width * 0.018
    lines = [quad for k in range(1, 7) for quad in stroke(oval(k * lane), 0.7, closed=True)]
    inner = oval(8 * lane)
    ends = [inner[inner[:, 0] * side > length * 0.295] for side in (-1, 1)]
    parts = [
        ([oval(0)], lanes),
        (lines, (*LINE, 0.6)),
        ([oval(7 * lane)], turf),
        (ends, (*lanes[:3], 0.85)),
    ]
    return Sprite([oval(0)], parts)


def swimming_pool(rng: np.random.Generator, length: float) -> Sprite:
    """Draw a pool, rectangular or kidney-shaped; the pale rim is not part of the mask."""
    if rng.random() < 0.5:
        water = rounded_rectangle(length, length * rng.uniform(0.42, 0.55), 2.5)
    else:
        t = np.arange(40) * np.pi / 20
        radius = 1 + 0.22 * np.cos(2 * t) - 0.16 * np.sin(t) ** 2 + 0.1 * np.cos(t)
        water = np.stack([np.cos(t), np.sin(t)], 1) * radius[:, None] * (length / 2.5, length / 3.4)
    half = np.ptp(water[:, 1]) / 2
    blue = pick(rng, [(92, 178, 204), (74, 160, 196), (110, 192, 206)], 6)
    rim = water * (1 + 4 / length, 1 + 2.4 / half)
    lanes = [
        rectangle(-length * 0.4, length * 0.4, y - 0.4, y + 0.4)
        for y in np.linspace(-half, half, 6)[1:-1]
    ]
    parts = [
        ([rim], (214, 208, 196)),
        ([water], blue),
        ([water * (0.55, 0.8) - (length * 0.12, 0)], (*tone(blue, 0.82), 0.7)),
    ]
    return Sprite([water], [*parts, (lanes, (*tone(blue, 0.7), 0.4))])


def windmill(rng: np.random.Generator, reach: float) -> Sprite:
    """Draw a wind turbine as seen at a slant: three blades, nacelle and the tower below them."""
    blade = np.array(
        [
            (2, -1.2),
            (reach * 0.25, -reach * 0.05),
            (reach, -0.5),
            (reach, 0.5),
            (reach * 0.2, 1.6),
            (2, 1.2),
        ]
    )
    turn, blades = rng.uniform(0, 2 * np.pi / 3), []
    for k in range(3):
        c, s = np.cos(turn + k * 2 * np.pi / 3), np.sin(turn + k * 2 * np.pi / 3)
        blades.append(blade @ np.array([[c, s], [-s, c]]))
    tower = np.array([(0, -1.4), (0, 1.4), (-reach * 0.8, 2.2), (-reach * 0.8, -2.2)])
    nacelle = rounded_rectangle(9, 5, 2) - (1, 0)
    parts = [([tower], (204, 206, 206)), (blades, (240, 240, 238)), ([nacelle], (224, 226, 228))]
    return Sprite([tower, nacelle, *blades], parts, height=reach * 0.9, hovering=True)


def tree(rng: np.random.Generator, radius: float, greens: Sequence[Colour]) -> Sprite:
    """Draw a tree crown: a ragged disc with lighter clumps."""
    t = np.arange(18) * np.pi / 9
    crown = np.stack([np.cos(t), np.sin(t)], 1) * radius * rng.uniform(0.78, 1.08, (18, 1))
    green = pick(rng, greens, 7)
    parts = [([crown], tone(green, 0.8))]
    for _ in range(7):
        x, y = rng.uniform(-0.55, 0.55, 2) * radius
        parts.append(
            (
                [ellipse(x, y, radius * rng.uniform(0.18, 0.36), count=9)],
                (*tone(green, rng.uniform(0.7, 1.4)), 0.6),
            )
        )
    return Sprite([crown], parts, height=radius * 0.9)


def building(
    rng: np.random.Generator, length: float, width: float, roofs: Sequence[Colour]
) -> Sprite:
    """Draw a flat or saddle roof with vents."""
    paint, body = pick(rng, roofs), rectangle(-length / 2, length / 2, -width / 2, width / 2)
    parts = [([body], tone(paint, 0.9)), ([body * (1 - 3 / length, 1 - 3 / width)], paint)]
    if rng.random() < 0.5:
        parts.append(
            ([rectangle(-length / 2, length / 2, 0, width / 2)], (*tone(paint, 0.72), 0.7))
        )
    seams = [
        rectangle(x, x + 0.8, -width / 2, width / 2)
        for x in np.arange(-length / 2 + 6, length / 2 - 4, 7.0)
    ]
    parts.append((seams, (*tone(paint, 0.85), 0.5)))
    for _ in range(int(length * width / 900)):
        x, y = rng.uniform(-0.42, 0.42, 2) * (length, width)
        parts.append(
            ([rectangle(x - 2, x + 2, y - 2, y + 2)], tone(paint, rng.choice([0.6, 1.25])))
        )
    return Sprite([body], parts, height=rng.uniform(9, 14))
