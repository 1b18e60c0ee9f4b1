# ruff: noqa: RUF005 (arrays are added)
"""Things seen from above as coloured polygons: head towards +x, y to its right, in pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Colour = tuple[float, float, float]
Colours = Sequence[Colour]
WHITE, GLASS, LINE = (236, 236, 232), (38, 44, 54), (222, 224, 218)


class Part(NamedTuple):
    """A polygon or a line of one colour.

    Args:
        points: ``(N, 2)`` x, y.
        paint: RGB in [0, 255], or the name of a material of the scene.
        solid: Whether it belongs to the silhouette, that is to the mask.
        line: Width in pixels if the points are those of an open line; 0 fills the polygon.
        opacity: In [0, 1].
    """

    points: np.ndarray
    paint: Colour | str
    solid: bool = False
    line: float = 0.0
    opacity: float = 1.0


@dataclass(frozen=True)
class Shape:
    """A thing, as parts in painting order.

    Args:
        parts: At least one of them solid.
        height: Above the ground in pixels; it casts a shadow and hides what is below. 0 is painted
            on the ground (a court, a field) and hides nothing.
    """

    parts: list[Part]
    height: float = 0.0

    @property
    def box(self) -> np.ndarray:
        """Tight rectangle ``(4, 2)`` along the axes, clockwise from the front left."""
        points = np.concatenate([part.points for part in self.parts if part.solid])
        (x0, y0), (x1, y1) = points.min(0), points.max(0)
        return rectangle(x0, x1, y0, y1)


def rectangle(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
    """Return corners ``(4, 2)``, clockwise from the front left."""
    return np.array([[x1, y0], [x1, y1], [x0, y1], [x0, y0]], float)


def block(length: float, width: float, x: float = 0, y: float = 0) -> np.ndarray:
    """Return a rectangle ``(4, 2)`` around a point."""
    return rectangle(x - length / 2, x + length / 2, y - width / 2, y + width / 2)


def oval(length: float, width: float, power: float = 2, count: int = 40) -> np.ndarray:
    """Return a superellipse ``(count, 2)``: an ellipse, or with a high power a rounded box."""
    around = turned([(1, 0)], np.arange(count) * 2 * np.pi / count)
    return np.sign(around) * np.abs(around) ** (2 / power) * (length / 2, width / 2)


def mirrored(half: Sequence[tuple[float, float]] | np.ndarray) -> np.ndarray:
    """Return an outline from its right half, head to tail, and the mirror image."""
    half = np.asarray(half, float)
    return np.concatenate([half, half[::-1] * (1, -1)])


def turned(points: Sequence | np.ndarray, angle: float | np.ndarray) -> np.ndarray:
    """Return points ``(N, 2)`` turned clockwise, as seen on the screen, by radians."""
    x, y = np.asarray(points, float).T
    return np.stack(
        [x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], 1
    )


def pick(rng: np.random.Generator, colours: Colours) -> Colour:
    """Return one of the colours, varied a little."""
    colour = np.asarray(colours[rng.integers(len(colours))], float)
    return tuple(np.clip(colour + rng.normal(0, 8) + rng.normal(0, 2, 3), 8, 250))


def tone(colour: Colour, factor: float) -> Colour:
    """Return the colour darker (factor < 1) or lighter (factor > 1)."""
    return tuple(min(value * factor, 252.0) for value in colour)


def frame(points: np.ndarray, width: float = 1.0) -> Part:
    """Return the pale line around a polygon ``(N, 2)``."""
    return Part(np.concatenate([points, points[:1]]), LINE, line=width)


def car(rng: np.random.Generator, paints: Colours) -> Shape:
    """Draw a car, 17 to 21 px long."""
    length, paint = rng.uniform(17.5, 21), pick(rng, paints)
    body = oval(length, length * 0.45, 5)
    glass, roof = body * (0.56, 0.72) - (length * 0.08, 0), body * (0.27, 0.74) - (length * 0.09, 0)
    return Shape(
        [Part(body, tone(paint, 0.86), True), Part(body * (0.96, 0.76), paint), Part(glass, GLASS)]
        + [Part(roof, tone(paint, 1.12))],
        height=3,
    )


def lorry(rng: np.random.Generator, paints: Colours) -> Shape:
    """Draw a lorry with a ribbed trailer, 44 to 62 px long."""
    length, width, cab = rng.uniform(44, 62), rng.uniform(11, 13), rng.uniform(6, 12)
    load = pick(rng, [WHITE, WHITE, *paints])
    trailer = block(length - cab - 1, width, -cab / 2)
    ribs = np.arange(-length / 2 + 3, length / 2 - cab - 3, 5)
    return Shape(
        [
            Part(block(cab, width * 0.9, (length - cab) / 2), pick(rng, paints), True),
            Part(block(2.4, width * 0.8, length / 2 - 3), GLASS),
            Part(block(3, width * 0.4, length / 2 - cab), GLASS, True),
            Part(trailer, load, True),
            *(Part(block(0.8, width, x), tone(load, 0.82)) for x in ribs),
        ],
        height=6,
    )


def plane(rng: np.random.Generator, length: float, liveries: Colours) -> Shape:
    """Draw a jet with swept wings, or below 50 px a propeller plane with straight ones."""
    jet, skin = length > 50, pick(rng, [WHITE, (206, 208, 212)])
    span, girth, chord = (rng.uniform(0.44, 0.5), 0.05, 0.2) if jet else (0.58, 0.07, 0.17)
    tip = 0.12 - rng.uniform(0.2, 0.27) if jet else 0.2
    half = [(0.14, 0), (tip, span), (tip - chord / 4, span), (0.14 - chord, 0.17), (0, girth)]
    body = mirrored([(0.5, 0), (0.46, girth * 0.75), (0.4, girth), (-0.2, girth), (-0.5, 0.01)])
    tail = mirrored([(-0.36, 0.01), (-0.44, 0.18), (-0.49, 0.18), (-0.48, 0.01)])
    engines = [oval(0.1, 0.05, 3) + (0.08, side * 0.155) for side in (-1, 1) if jet]
    parts = [
        *(Part(engine, tone(skin, 0.7), True) for engine in engines),
        *(Part(wing, tone(skin, 0.88), True) for wing in (mirrored(half), tail)),
        Part(body, tone(skin, 0.9), True),
        Part(body * (0.98, 0.6), tone(skin, 1.08)),
        Part(block(0.03, girth * 1.2, 0.445), GLASS),
        Part(block(0.16, 0.03, -0.42), pick(rng, liveries)),
    ]
    return Shape([part._replace(points=part.points * length) for part in parts], length * 0.05)


def hull(length: float, width: float, bow: float) -> np.ndarray:
    """Return a ship's outline ``(26, 2)``, pointed over the fraction ``bow`` of its length."""
    t = np.linspace(0, 1, 13)
    rise = np.sin(np.minimum(t / bow, 1) * np.pi / 2) ** 0.8
    fall = 1 - 0.15 * np.clip((t - bow) / (1 - bow), 0, 1) ** 2
    return mirrored(np.stack([length / 2 - t * length, width / 2 * rise * fall], 1))


def boat(rng: np.random.Generator, length: float, hulls: Colours) -> Shape:
    """Draw a motor yacht: hull, deck, cabin with a windscreen, cockpit at the stern."""
    width, cabin = length * rng.uniform(0.26, 0.34), length * rng.uniform(0.32, 0.44)
    shell, roof = hull(length, width, rng.uniform(0.4, 0.6)), oval(cabin, width * 0.66, 4)
    return Shape(
        [
            Part(shell, pick(rng, hulls), True),
            Part(shell * (0.93, 0.8), pick(rng, [WHITE, (206, 200, 186), (186, 160, 124)])),
            Part(roof + (cabin / 2 - length * 0.24, 0), GLASS),
            Part(roof * (0.8, 0.94) + (cabin * 0.4 - length * 0.24, 0), WHITE),
            Part(block(length * 0.18, width * 0.6, -length * 0.36), pick(rng, [(150, 118, 84)])),
        ],
        height=2.5,
    )


def freighter(rng: np.random.Generator, length: float, hulls: Colours, boxes: Colours) -> Shape:
    """Draw a coaster with containers on deck and the bridge at the stern."""
    width, step = length * rng.uniform(0.16, 0.2), length / 13
    shell = hull(length, width, 0.22)
    load = [
        Part(block(step * 0.9, width * 0.17, x, y), pick(rng, boxes))
        for x in np.arange(-0.2 * length, 0.36 * length, step)
        for y in np.linspace(-width * 0.28, width * 0.28, 4)
    ]
    bridge = block(length * 0.1, width * 0.8, -length * 0.35)
    return Shape(
        [Part(shell, pick(rng, hulls), True), Part(shell * (0.97, 0.86), (110, 112, 112)), *load]
        + [Part(bridge, WHITE), Part(bridge * (0.1, 0.9) - (length * 0.27, 0), GLASS)],
        height=7,
    )


def jetty(length: float, reach: float, deck: Colour) -> Shape:
    """Draw a landing stage along x with finger piers every 27 px, ``reach`` px long."""
    piers = [block(3.2, 2 * reach, x) for x in np.arange(19 - length / 2, length / 2 - 12, 27)]
    planks = [block(0.7, 9, x) for x in np.arange(-length / 2, length / 2, 4)]
    return Shape(
        [Part(pier, tone(deck, 1.1), True) for pier in piers]
        + [
            Part(block(length, 9), deck, True),
            *(Part(plank, tone(deck, 0.86)) for plank in planks),
        ],
        height=2,
    )


def tank(rng: np.random.Generator, radius: float, roofs: Colours, sun: np.ndarray) -> Shape:
    """Draw a storage tank with a dome or a sunken roof, lit against ``sun`` ``(2,)``."""
    paint, wall = pick(rng, roofs), oval(2 * radius, 2 * radius, count=64)
    rings = [(0.94, -0.02, 1.0), (0.8, -0.06, 1.05), (0.55, -0.14, 1.1), (0.25, -0.25, 1.14)]
    if rng.random() < 0.5:
        rings = [(0.94, 0, 1.1), (0.88, 0, 0.45), (0.7, 0.16, 0.86)]
    roof = [Part(wall * k + sun * radius * shift, tone(paint, light)) for k, shift, light in rings]
    stairs = turned([(radius * 0.5, 0), (radius, 0)], rng.uniform(0, 6.3))
    parts = [Part(wall, tone(paint, 0.78), True), *roof, Part(stairs, tone(paint, 0.6), line=1.2)]
    return Shape(parts, height=radius * 0.45)


def court(game: str, colour: Colour) -> Shape:
    """Draw a tennis court of 80 px up to its outer lines, or a basketball court of 92 px."""
    length, width = (80, 37) if game == 'tennis' else (92, 49)
    ground, middle = block(length, width), block(0, width)[1:3]
    parts = [Part(ground, colour, True), frame(ground * (1 - 2.4 / length, 1 - 2.4 / width))]
    if game == 'tennis':
        zones = [block(length, 28), block(44, 14, 0, -7), block(44, 14, 0, 7)]
        return Shape([*parts, *map(frame, zones), Part(middle, (60, 66, 70), line=1.2)])
    for side in (-1, 1):
        arc = turned([(20, 0)], np.linspace(-np.pi / 2, np.pi / 2, 15)) * (-side, 1)
        zone = block(19, 16, side * 36.5)
        parts += [Part(zone, tone(colour, 0.75)), frame(zone)]
        parts.append(Part(arc + (side * 41, 0), LINE, line=0.9))
    return Shape([*parts, Part(middle, LINE, line=0.9), frame(oval(12, 12))])


def soccer_field(length: float, width: float) -> Shape:
    """Draw a soccer field of mown stripes in the material ``turf``."""
    ground, stripe = block(length, width), length / 14
    stripes = np.arange(stripe / 2 - length / 2, length / 2, 2 * stripe)
    zones = [ground * (0.98, 0.98), oval(length / 6, length / 6), ground[1:3] * (0, 0.98)]
    for side in (-length / 2, length / 2):
        zones += [block(length * k, width * 6 * k**1.2, side * (0.98 - k)) for k in (0.05, 0.15)]
    return Shape(
        [Part(ground, 'turf', True)]
        + [Part(block(stripe, width, x), (150, 180, 90), opacity=0.2) for x in stripes]
        + [frame(zone, 1.2) for zone in zones]
    )


def running_track(length: float, width: float, lanes: Colour) -> Shape:
    """Draw an oval of lanes around the material ``turf``."""
    bend = turned([(width / 2, 0)], np.linspace(-np.pi / 2, np.pi / 2, 25))

    def ring(inset: float) -> np.ndarray:
        half = bend * (1 - inset) + ((length - width) / 2, 0)
        return np.concatenate([half, -half])

    lines = [frame(ring(k * 0.036), 0.7)._replace(opacity=0.6) for k in range(1, 7)]
    return Shape([Part(ring(0), lanes, True), *lines, Part(ring(0.25), 'turf')])


def pool(rng: np.random.Generator, length: float) -> Shape:
    """Draw a pool, rectangular or round; the pale rim is not part of the mask."""
    water = oval(length, length * rng.uniform(0.45, 0.6), rng.choice([2.5, 9]))
    blue = pick(rng, [(92, 178, 204), (74, 160, 196)])
    deep = Part(water * (0.5, 0.8) - (length * 0.12, 0), tone(blue, 0.86))
    return Shape([Part(water * 1.08, (214, 208, 196)), Part(water, blue, True), deep])


def windmill(rng: np.random.Generator, reach: float) -> Shape:
    """Draw a wind turbine seen at a slant: tower towards -x, hub at the origin, three blades."""
    tower = np.array([(0, -1.4), (0, 1.4), (-reach * 0.8, 2.2), (-reach * 0.8, -2.2)])
    blade = mirrored([(reach, 0.5), (reach * 0.25, reach * 0.045), (0, 1.4)])
    blades = [turned(blade, angle) for angle in rng.uniform(0, 2.1) + np.arange(3) * np.pi * 2 / 3]
    parts = [Part(tower, (204, 206, 206), True), *(Part(b, (240, 240, 238), True) for b in blades)]
    return Shape([*parts, Part(oval(9, 5, 4), (224, 226, 228), True)], height=2)


def tree(rng: np.random.Generator, greens: Colours) -> Shape:
    """Draw a tree crown of 5 to 11 px radius: a ragged disc with clumps."""
    radius, green = rng.uniform(5, 11), pick(rng, greens)
    crown = oval(2 * radius, 2 * radius, count=18) * rng.uniform(0.78, 1.08, (18, 1))
    parts = [Part(crown, tone(green, 0.8), True)]
    for x, y, light in rng.uniform((-0.5, -0.5, 0.7), (0.5, 0.5, 1.4), (7, 3)):
        parts.append(Part(crown * 0.26 + (x * radius, y * radius), tone(green, light), opacity=0.6))
    return Shape(parts, height=radius * 0.9)


def building(rng: np.random.Generator, length: float, width: float, roofs: Colours) -> Shape:
    """Draw a saddle roof with seams."""
    paint, body = pick(rng, roofs), block(length, width)
    seams = np.arange(6 - length / 2, length / 2 - 4, 7)
    sides = [
        Part(body * (0.97, 0.94), paint),
        Part(block(length, width / 2, 0, width / 4), tone(paint, 0.84)),
    ]
    ribs = [Part(block(0.8, width, x), tone(paint, 0.9)) for x in seams]
    return Shape([Part(body, tone(paint, 0.9), True), *sides, *ribs], height=rng.uniform(9, 14))
