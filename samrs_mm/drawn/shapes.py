# ruff: noqa: RUF005 (arrays are added)
"""Things seen from above, as a table of coloured polygons: head towards +x, y to its right."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from samrs_mm.drawn.outlines import Part, block, mirrored, oval, rectangle, turned

WHITE, GLASS, LINE, STEEL = 'ecece8', '262c36', 'dee0da', '6e7070'


@dataclass(frozen=True)
class Shape:
    """A thing, as parts in painting order, in pixels.

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


@dataclass(frozen=True)
class Kind:
    """A kind of things.

    Args:
        lengths: Shortest and longest in pixels.
        looks: Parts of each variant, for a length of 1.
        height: Above the ground, for a width of 1.
        slack: By which fraction the width varies.
    """

    lengths: tuple[float, float]
    looks: list[list[Part]]
    height: float = 0.0
    slack: float = 0.0

    def make(
        self,
        rng: np.random.Generator,
        paints: Mapping[str, str],
        length: float | None = None,
        aspect: float = 1.0,
    ) -> Shape:
        """Return one of them, of any or a given length; each palette gives it one colour."""
        size = length or rng.uniform(*self.lengths)
        scale = np.array([size, size * aspect * rng.uniform(1 - self.slack, 1 + self.slack)])
        look, chosen = self.looks[rng.integers(len(self.looks))], {}
        for name in dict.fromkeys(part.paint for part in look):
            if name in paints:
                chosen[name] = pick(rng, paints[name])
        parts = [
            part._replace(points=part.points * scale, paint=chosen.get(part.paint, part.paint))
            for part in look
        ]
        return Shape(parts, self.height * float(np.ptp(Shape(parts).box[:, 1])))


def rgb(colours: str) -> np.ndarray:
    """Return colours of six hex digits, with spaces between, as ``(N, 3)`` float32."""
    return np.array([list(bytes.fromhex(colour)) for colour in colours.split()], np.float32)


def pick(rng: np.random.Generator, colours: str) -> str:
    """Return one of the colours, varied a little."""
    colour = rng.choice(rgb(colours)) + rng.normal(0, 8) + rng.normal(0, 2, 3)
    return bytes(np.clip(colour, 8, 250).astype(np.uint8)).hex()


def hull(width: float, bow: float) -> np.ndarray:
    """Return a ship's outline ``(26, 2)``, pointed over the fraction ``bow`` of its length."""
    t = np.linspace(0, 1, 13)
    rise = np.sin(np.minimum(t / bow, 1) * np.pi / 2) ** 0.8
    fall = 1 - 0.15 * np.clip((t - bow) / (1 - bow), 0, 1) ** 2
    return mirrored(np.stack([0.5 - t, width / 2 * rise * fall], 1))


def _at(xs: Iterable[float], ys: Iterable[float], part: Part) -> list[Part]:
    """Return copies of a part at all places of a grid."""
    return [part._replace(points=part.points + (x, y)) for x in xs for y in ys]


def _outlines(*polygons: np.ndarray, line: float = 1.0) -> list[Part]:
    return [Part(np.concatenate([p, p[:1]]), LINE, line=line) for p in polygons]


def _tank(*rings: tuple[float, float, float]) -> list[Part]:
    """Return a tank whose roof has rings of a radius, a shift against the sun and a tone."""
    wall = oval(1, 1, count=64)
    roof = [Part(wall * k + (shift / 2, 0), 'tanks', tone=tone) for k, shift, tone in rings]
    stairs = np.array([(0.15, 0.2), (0.3, 0.4)])
    return [Part(wall, 'tanks', True, 0.78), *roof, Part(stairs, 'tanks', tone=0.6, line=1.2)]


def _pool(power: float, width: float) -> list[Part]:
    water = oval(1, width, power)
    deep = Part(water * (0.5, 0.8) - (0.12, 0), 'pools', tone=0.86)
    return [Part(water * 1.08, 'd6d0c4'), Part(water, 'pools', True), deep]


def _windmill(phase: float) -> list[Part]:
    """Return a turbine seen at a slant: tower towards -x, hub at the origin, three blades."""
    tower = Part(mirrored([(0, 0.035), (-0.8, 0.055)]), 'cccece', True)
    blade = mirrored([(1, 0.012), (0.25, 0.045), (0, 0.035)])
    blades = [turned(blade, phase + third * np.pi * 2 / 3) for third in range(3)]
    hub = Part(oval(0.22, 0.12, 4), 'e0e2e4', True)
    return [tower, *(Part(each, 'f0f0ee', True) for each in blades), hub]


def _tree(seed: int) -> list[Part]:
    """Return a ragged crown with clumps."""
    rng = np.random.default_rng(seed)
    crown = oval(1, 1, count=18) * rng.uniform(0.78, 1.08, (18, 1))
    clumps = rng.uniform((-0.25, -0.25, 0.7), (0.25, 0.25, 1.4), (7, 3))
    return [Part(crown, 'trees', True, 0.8)] + [
        Part(crown * 0.26 + (x, y), 'trees', tone=tone, opacity=0.6) for x, y, tone in clumps
    ]


def _track() -> list[Part]:
    bend = turned([(0.26, 0)], np.linspace(-np.pi / 2, np.pi / 2, 25))
    halves = [bend * (1 - inset) + (0.24, 0) for inset in (0, *0.036 * np.arange(1, 7), 0.25)]
    edge, *lanes, inner = [np.concatenate([half, -half]) for half in halves]
    return [Part(edge, 'tracks', True), *_outlines(*lanes, line=0.7), Part(inner, 'turf')]


_CAR, _BOAT, _CABIN = oval(1, 0.45, 5), hull(0.3, 0.5), oval(0.38, 0.2, 4)
_TENNIS, _BASKET, _FIELD = block(1, 0.46), block(1, 0.53), block(1, 0.6)
_ARC = turned([(0.22, 0)], np.linspace(np.pi / 2, np.pi * 1.5, 15)) + (0.45, 0)
_BODY = mirrored([(0.5, 0), (0.46, 0.04), (0.4, 0.05), (-0.2, 0.05), (-0.5, 0.01)])
_WING = [(0.14, 0), (-0.11, 0.48), (-0.16, 0.48), (-0.06, 0.17), (0, 0.05)]
_TAIL = [(-0.36, 0.01), (-0.44, 0.18), (-0.49, 0.18), (-0.48, 0.01)]
_BOTH = (-1, 1)

KINDS = {
    'car': Kind((17.5, 21), [[
        Part(_CAR, 'cars', True, 0.86),
        Part(_CAR * (0.96, 0.76), 'cars'),
        Part(_CAR * (0.56, 0.72) - (0.08, 0), GLASS),
        Part(_CAR * (0.27, 0.74) - (0.09, 0), 'cars', tone=1.12),
    ]], height=0.35),
    'lorry': Kind((44, 62), [[
        Part(block(0.16, 0.21, 0.42), 'cars', True),
        Part(block(0.05, 0.18, 0.45), GLASS),
        Part(block(0.06, 0.1, 0.33), GLASS, True),
        Part(block(0.82, 0.23, -0.09), 'loads', True),
        *_at(np.arange(-0.45, 0.3, 0.1), [0], Part(block(0.015, 0.23), 'loads', tone=0.82)),
    ]], height=0.5, slack=0.1),
    'plane': Kind((86, 116), [[
        *_at([0.08], [-0.155, 0.155], Part(oval(0.1, 0.05, 3), 'skins', True, 0.7)),
        *(Part(mirrored(half), 'skins', True, 0.88) for half in (_WING, _TAIL)),
        Part(_BODY, 'skins', True, 0.9),
        Part(_BODY * (0.98, 0.6), 'skins', tone=1.08),
        Part(block(0.03, 0.06, 0.445), GLASS),
        Part(block(0.16, 0.03, -0.42), 'liveries'),
    ]], height=0.05, slack=0.06),
    'boat': Kind((29, 42), [[
        Part(_BOAT, 'hulls', True),
        Part(_BOAT * (0.93, 0.8), 'yachts'),
        Part(_CABIN - (0.05, 0), GLASS),
        Part(_CABIN * (0.8, 0.94) - (0.09, 0), WHITE),
        Part(block(0.18, 0.18, -0.36), '967654'),
    ]], height=0.22, slack=0.12),
    'jetty': Kind((120, 240), [[
        *_at(np.arange(-0.42, 0.45, 0.115), [0], Part(block(0.014, 0.2), 'decks', True, 1.1)),
        Part(block(1, 0.04), 'decks', True),
        *_at(np.arange(-0.5, 0.5, 0.017), [0], Part(block(0.003, 0.04), 'decks', tone=0.86)),
    ]], height=0.04),
    'tank': Kind((72, 92), [
        _tank((0.94, -0.02, 1), (0.8, -0.06, 1.05), (0.55, -0.14, 1.1), (0.25, -0.25, 1.14)),
        _tank((0.94, 0, 1.1), (0.88, 0, 0.45), (0.7, 0.16, 0.86)),
    ], height=0.22),
    'tennis': Kind((80, 80), [[
        Part(_TENNIS, 'courts', True),
        *_outlines(_TENNIS * 0.96, block(0.96, 0.35), *(block(0.55, 0.175, 0, y * 0.0875)
                                                        for y in _BOTH)),
        Part(block(0, 0.46)[1:3], STEEL, line=1.2),
    ]]),
    'basketball': Kind((92, 92), [[
        Part(_BASKET, 'courts', True),
        *_at([-0.397, 0.397], [0], Part(block(0.2, 0.17), 'courts', tone=0.75)),
        *(Part(_ARC * (side, 1), LINE, line=0.9) for side in _BOTH),
        *_outlines(_BASKET * 0.97, oval(0.13, 0.13), *(block(0.2, 0.17, x * 0.387) for x in _BOTH)),
        Part(block(0, 0.51)[1:3], LINE, line=0.9),
    ]]),
    'soccer': Kind((150, 230), [[
        Part(_FIELD, 'turf', True),
        *_at(np.arange(-6.5, 7, 2) / 14, [0],
             Part(block(1 / 14, 0.6), '96b45a', opacity=0.2)),
        *_outlines(_FIELD * 0.98, oval(0.17, 0.17), block(0, 0.59)[1:3],
                   *(block(length, width, side * (0.49 - length / 2)) for side in _BOTH
                     for length, width in ((0.05, 0.16), (0.15, 0.37))), line=1.2),
    ]]),
    'track': Kind((150, 420), [_track()]),
    'pool': Kind((38, 86), [_pool(2.5, 0.5), _pool(9, 0.55)]),
    'windmill': Kind((34, 46), [_windmill(phase) for phase in (0.2, 0.9, 1.6)], height=0.03),
    'tree': Kind((10, 22), [_tree(seed) for seed in range(6)], height=0.45),
    'building': Kind((84, 110), [[
        Part(block(1, 1), 'roofs', True, 0.9),
        Part(block(0.97, 0.94), 'roofs'),
        Part(block(1, 0.5, 0, 0.25), 'roofs', tone=0.84),
        *_at(np.arange(-0.46, 0.5, 0.07), [0], Part(block(0.01, 1), 'roofs', tone=0.9)),
    ]], height=0.22),
}  # fmt: skip
"""Kinds of things by name."""
