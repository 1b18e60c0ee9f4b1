"""Vehicles, planes and ships of the demo scenes, in a local frame: head towards +x, pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from samrs_mm.drawn.canvas import ellipse, mirrored, rectangle, rounded_rectangle

Colour = tuple[float, ...]
WHITE: Colour = (236, 236, 232)
GLASS: Colour = (38, 44, 54)


@dataclass
class Sprite:
    """A drawing.

    Attributes:
        outline: Polygons ``(N, 2)`` whose union is the silhouette, i.e. the instance mask.
        parts: ``(polygons, paint)`` in painting order. A paint is RGB, RGB + opacity in [0, 1], or
            the name of one of the scene's materials.
        height: Height above the ground in pixels. 0: painted on the ground (a court, a field); it
            throws no shadow and hides nothing.
        hovering: The shadow is a copy beside the thing (wings, rotors), not one that starts at its
            foot.
    """

    outline: list[np.ndarray]
    parts: list[tuple[list[np.ndarray], Colour | str]] = field(default_factory=list)
    height: float = 0.0
    hovering: bool = False

    def extent(self) -> np.ndarray:
        """Return the tight rectangle along its axes, ``(4, 2)``, clockwise, front left first."""
        points = np.concatenate(self.outline)
        (x0, y0), (x1, y1) = points.min(0), points.max(0)
        return rectangle(x0, x1, y0, y1)


def pick(rng: np.random.Generator, colours: Sequence[Colour], spread: float = 10.0) -> Colour:
    """Return one of the colours, its brightness varied."""
    colour = np.asarray(colours[rng.integers(len(colours))], float)
    return tuple(np.clip(colour + rng.normal(0, spread) + rng.normal(0, spread / 4, 3), 8, 250))


def tone(colour: Colour, factor: float) -> Colour:
    """Return the colour darker (factor < 1) or lighter (factor > 1)."""
    return tuple(min(c * factor, 252.0) for c in colour[:3])


def car(rng: np.random.Generator, paints: Sequence[Colour]) -> Sprite:
    """Draw a car or a van, 17 to 22 px long."""
    length, paint = rng.uniform(17.5, 21), pick(rng, paints)
    width = length * rng.uniform(0.43, 0.47)
    body = rounded_rectangle(length, width, width * 0.3)
    parts = [([body], tone(paint, 0.86)), ([body * (0.96, 0.76)], paint)]
    w = width / 2
    if rng.random() < 0.2:  # a van: the roof reaches the tail
        parts += [
            ([mirrored([(length * 0.3, w * 0.6), (length * 0.16, w * 0.8)])], GLASS),
            ([rectangle(-length * 0.46, length * 0.14, -w * 0.8, w * 0.8)], tone(paint, 1.08)),
        ]
    else:
        parts += [
            ([mirrored([(length * 0.2, w * 0.72), (-length * 0.36, w * 0.72)])], GLASS),
            (
                [mirrored([(length * 0.05, w * 0.74), (-length * 0.22, w * 0.74)])],
                tone(paint, 1.12),
            ),
        ]
    return Sprite([body], parts, height=3.0)


def bus(rng: np.random.Generator, paints: Sequence[Colour]) -> Sprite:
    """Draw a bus or coach, 44 to 54 px long."""
    length, width, paint = rng.uniform(44, 54), rng.uniform(11.5, 13), pick(rng, paints, 6)
    body, w = rounded_rectangle(length, width, 2.2), width / 2
    parts = [
        ([body], tone(paint, 0.8)),
        ([body * (0.97, 0.8)], tone(paint, 1.05)),
        ([rectangle(length * 0.42, length * 0.48, -w * 0.85, w * 0.85)], GLASS),
    ]
    for x in (-0.28, 0.05, 0.25):
        hatch = rectangle(length * x - 2.5, length * x + 2.5, -w * 0.4, w * 0.4)
        parts.append(([hatch], tone(paint, rng.uniform(0.6, 1.3))))
    return Sprite([body], parts, height=5.5)


def truck(rng: np.random.Generator, paints: Sequence[Colour]) -> Sprite:
    """Draw a lorry: cab, gap and ribbed trailer, 46 to 62 px long."""
    length, width = rng.uniform(46, 62), rng.uniform(11, 12.5)
    w, cab_tail = width / 2, length / 2 - width * 0.95
    cab = mirrored([(length / 2, w * 0.7), (length / 2 - 1.5, w * 0.92), (cab_tail, w * 0.92)])
    trailer = rectangle(-length / 2, cab_tail - 2, -w, w)
    hitch = rectangle(cab_tail - 3, cab_tail + 1, -w * 0.5, w * 0.5)
    paint, load = (
        pick(rng, paints),
        pick(rng, [WHITE, WHITE, (190, 192, 190), (120, 132, 150), (168, 110, 70)]),
    )
    parts = [
        ([hitch], (45, 45, 45)),
        ([cab], paint),
        ([trailer], load),
        ([rectangle(length / 2 - 4.2, length / 2 - 1.8, -w * 0.75, w * 0.75)], GLASS),
    ]
    ribs = [rectangle(x, x + 0.8, -w, w) for x in np.arange(-length / 2 + 3, cab_tail - 4, 5.0)]
    parts += [
        (ribs, (*tone(load, 0.82), 0.6)),
        ([rectangle(-length / 2, cab_tail - 2, w * 0.72, w)], tone(load, 0.8)),
    ]
    return Sprite([cab, trailer, hitch], parts, height=6.0)


def _profile(xs: Sequence[float], ys: Sequence[float]) -> np.ndarray:
    """Return the outline whose right half runs through the points ``(x, y)``."""
    return mirrored(np.stack([xs, ys], 1))


def airliner(rng: np.random.Generator, length: float, liveries: Sequence[Colour]) -> Sprite:
    """Draw a twin-engined jet with swept wings, span about as long as ``length``."""
    livery = pick(rng, liveries)
    skin = pick(rng, [WHITE, WHITE, (214, 216, 220), (200, 204, 206)], 5)
    span, girth, sweep = rng.uniform(0.44, 0.5), rng.uniform(0.046, 0.054), rng.uniform(0.2, 0.27)
    # All shapes have unit length until the end.
    radius = np.array([0, 0.4, 0.75, 1, 1, 0.72, 0.3, 0.12]) * girth
    fuselage = _profile([0.5, 0.492, 0.465, 0.41, -0.22, -0.36, -0.47, -0.5], radius)
    tip = np.array([0.12, 0.085, 0.075]) - sweep
    wings = _profile(
        [0.13, 0.12, *tip, -0.045, -0.075, -0.075],
        [0, girth, span, span + 0.004, span, 0.17, girth, 0],
    )
    tail = _profile([-0.37, -0.39, -0.455, -0.49, -0.468, -0.468], [0, 0.02, 0.175, 0.18, 0.02, 0])
    engines = [ellipse(0.07, side * 0.155, 0.052, 0.025, 20) for side in (-1, 1)]
    flap_x, flap_y = [0.055 - sweep, 0.07 - sweep, -0.03, -0.052], [span * 0.93] * 2 + [0.17] * 2
    flaps = [np.stack([flap_x, flap_y], 1) * (1, side) for side in (-1, 1)]
    cockpit = _profile([0.462, 0.44, 0.43], [0.3 * girth, 0.6 * girth, 0.3 * girth])
    parts = [
        (engines, tone(skin, 0.72)),
        ([wings, tail], tone(skin, 0.86)),
        (flaps, tone(skin, 0.72)),
        ([fuselage], tone(skin, 0.88)),
        ([fuselage * (1, 0.62)], tone(skin, 1.08)),
        ([cockpit], GLASS),
        ([rectangle(-0.5, -0.34, -0.012, 0.012)], livery),
    ]
    if rng.random() < 0.45:
        painted_tail = _profile([-0.2, -0.36, -0.46], [girth, 0.72 * girth, 0.3 * girth])
        parts.insert(5, ([painted_tail], livery))
    return Sprite(
        [polygon * length for polygon in (fuselage, wings, tail, *engines)],
        [([polygon * length for polygon in polygons], paint) for polygons, paint in parts],
        height=length * 0.07,
        hovering=True,
    )


def light_plane(rng: np.random.Generator, liveries: Sequence[Colour]) -> Sprite:
    """Draw a propeller plane with straight wings, 28 to 38 px long."""
    length, livery = rng.uniform(29, 38), pick(rng, liveries)
    fuselage = (
        mirrored([(0.5, 0.03), (0.44, 0.06), (0.2, 0.075), (-0.1, 0.055), (-0.5, 0.018)]) * length
    )
    wings = (
        mirrored([(0.25, 0), (0.24, 0.1), (0.21, 0.58), (0.05, 0.58), (0.03, 0.1), (0.03, 0)])
        * length
    )
    tail = mirrored([(-0.36, 0), (-0.38, 0.2), (-0.5, 0.2), (-0.5, 0)]) * length
    parts = [
        ([wings, tail], tone(WHITE, 0.95)),
        ([wings * (1, 0.3)], tone(WHITE, 1.04)),
        ([fuselage], WHITE),
        ([rectangle(0.14, 0.22, -0.05, 0.05) * length], GLASS),
        ([rectangle(-0.5, -0.05, -0.015, 0.015) * length], livery),
        ([wings * (0.5, 1) + (length * 0.1, 0)], (*livery, 0.35)),
    ]
    return Sprite([fuselage, wings, tail], parts, height=3.0, hovering=True)


def hull(length: float, width: float, bow: float = 0.4, stern: float = 0.85) -> np.ndarray:
    """Return a ship's outline, pointed over the share ``bow`` of its length."""
    t = np.concatenate([np.linspace(0, bow, 9) ** 1.5 / bow**0.5, np.linspace(bow, 1, 6)[1:]])
    rise = np.sin(np.minimum(t / bow, 1) * np.pi / 2) ** 0.8
    fall = 1 - (1 - stern) * np.clip((t - bow) / (1 - bow), 0, 1) ** 2
    return mirrored(np.stack([length / 2 - t * length, width / 2 * rise * fall], 1))


def motor_boat(rng: np.random.Generator, length: float, hulls: Sequence[Colour]) -> Sprite:
    """Draw a motor yacht: hull, deck, cabin with a windscreen, open cockpit at the stern."""
    paint, width = pick(rng, hulls), length * rng.uniform(0.27, 0.34)
    shell = hull(length, width, rng.uniform(0.4, 0.55), rng.uniform(0.8, 0.95))
    deck = pick(rng, [WHITE, WHITE, (206, 200, 186), (186, 160, 124)])
    w, front = width / 2, rng.uniform(0.08, 0.2)
    cabin = (
        mirrored(
            [
                (front, 0.2 * w / length),
                (front - 0.05, 0.66 * w / length),
                (-0.24, 0.7 * w / length),
            ]
        )
        * length
    )
    parts = [
        ([shell], paint),
        ([shell * (0.93, 0.82)], deck),
        ([cabin], tone(WHITE, 0.97)),
        (
            [
                mirrored(
                    [
                        (front, 0.2 * w / length),
                        (front - 0.05, 0.66 * w / length),
                        (front - 0.12, 0.6 * w / length),
                    ]
                )
                * length
            ],
            GLASS,
        ),
        (
            [rectangle(-0.45 * length, -0.26 * length, -w * 0.6, w * 0.6)],
            pick(rng, [(150, 118, 84), (178, 178, 172), (70, 84, 110), (206, 204, 198)]),
        ),
        (
            [rectangle(-0.2 * length, (front - 0.16) * length, -w * 0.4, w * 0.4)],
            pick(rng, [WHITE, (200, 204, 210)]),
        ),
    ]
    if rng.random() < 0.25:
        cover = pick(rng, [(40, 62, 110), (60, 70, 74), (140, 40, 40)])
        parts.append(
            ([rectangle(-0.42 * length, (front - 0.1) * length, -w * 0.7, w * 0.7)], cover)
        )
    return Sprite([shell], parts, height=2.5)


def sailing_boat(rng: np.random.Generator, length: float, hulls: Sequence[Colour]) -> Sprite:
    """Draw a moored sailing yacht: slim hull, small cabin, the covered sail on its boom."""
    paint, width = pick(rng, hulls), length * rng.uniform(0.26, 0.3)
    shell = hull(length, width, 0.62, 0.7)
    w, cover = width / 2, pick(rng, [(44, 66, 118), (200, 196, 184), (52, 58, 62), (128, 48, 44)])
    parts = [
        ([shell], paint),
        ([shell * (0.92, 0.78)], pick(rng, [WHITE, (206, 200, 186), (178, 150, 112)])),
        (
            [hull(length * 0.42, width * 0.5, 0.5, 0.9) + np.array([length * 0.06, 0])],
            tone(WHITE, 1.02),
        ),
        (
            [
                rectangle(0.04 * length, 0.2 * length, w * 0.26, w * 0.38),
                rectangle(0.04 * length, 0.2 * length, -w * 0.38, -w * 0.26),
            ],
            GLASS,
        ),
        ([rectangle(-0.4 * length, -0.18 * length, -w * 0.42, w * 0.42)], (150, 140, 122)),
        ([rectangle(-0.3 * length, 0.1 * length, -0.8, 0.8)], cover),
    ]
    return Sprite([shell], parts, height=2.0)


def cargo_ship(
    rng: np.random.Generator, length: float, hulls: Sequence[Colour], boxes: Sequence[Colour]
) -> Sprite:
    """Draw a coaster: bridge at the stern, containers or closed hatches on deck."""
    paint, width = pick(rng, hulls), length * rng.uniform(0.16, 0.2)
    shell, w = hull(length, width, 0.22, 0.85), width / 2
    deck = pick(rng, [(122, 62, 50), (86, 104, 92), (110, 112, 112)])
    parts = [([shell], paint), ([shell * (0.975, 0.86)], deck)]
    stacked, step = rng.random() < 0.6, length / 13
    for x in np.arange(-0.24 * length, 0.3 * length, step):
        if stacked:
            for y in np.linspace(-w * 0.72, w * 0.72, 5)[:-1]:
                parts.append(([rectangle(x, x + step * 0.9, y, y + w * 0.33)], pick(rng, boxes)))
        else:
            parts.append(
                (
                    [rectangle(x, x + step * 0.8, -w * 0.68, w * 0.68)],
                    tone(deck, rng.uniform(1.15, 1.4)),
                )
            )
    bridge = rectangle(-0.42 * length, -0.3 * length, -w * 0.82, w * 0.82)
    parts += [
        ([bridge], WHITE),
        ([rectangle(-0.315 * length, -0.3 * length, -w * 0.82, w * 0.82)], GLASS),
        (
            [ellipse(-0.38 * length, 0, w * 0.25)],
            pick(rng, [(170, 60, 40), (40, 50, 90), (40, 40, 40)]),
        ),
    ]
    return Sprite([shell], parts, height=7.0)
