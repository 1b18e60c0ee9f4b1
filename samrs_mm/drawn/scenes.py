"""Overhead scenes drawn from nothing, with the exact mask of every object.

Two domains differ in class names, colours and sensor, so that training on several sources can be
tried without downloads. A mask holds the visible pixels: a ship takes its pixels from the jetty
below. Things painted on the ground hide nothing: the soccer field inside a running track belongs to
both masks, as both boxes mean it. Shadows, wakes and a pool's rim belong to no mask. An object that
lies less than 70 % inside the picture is not drawn.
"""

from dataclasses import dataclass

import numpy as np

from samrs_mm.drawn.board import Board, Domain, DrawnObject
from samrs_mm.drawn.outlines import block, rectangle, turned
from samrs_mm.drawn.shapes import KINDS

LEAST_SIZE = 64
_QUARTER = np.pi / 2
_SCENERY = ('tree', 'building')
_PAINTS = dict(
    cars='e2e2e0 ced0d2 a8acb0 3e4248 222428 74787e 962422 2e487c b8aa8c 345242',
    loads='ecece8 ecece8 ecece8 ced0d2 3e4248 962422 2e487c b8aa8c 345242',
    skins='ecece8 ced0d4', yachts='ecece8 cec8ba baa07c', pools='5cb2cc 4aa0c4',
    hulls='eaeae6 e2e2e0 f0f0ee 283454 d2ccbe', decks='8e5c46 96846c a49e94',
    liveries='1e3a78 b4282c dc9628 246e68 3c4048', roofs='a09c96 787c82 925642 bebcb6 6c746c',
    tanks='dadad4 ced0ce bebcb2 a4a096 9e7054', courts='386852 3a5c84 965440 54704a',
    tracks='984a3a a6563e 8c423a', trees='3a522a 465c32 344a2e 5c6438',
)  # fmt: skip
DOMAINS = {
    'a': Domain(
        categories=dict(
            boat='ship', jetty='harbor', plane='plane', car='small-vehicle', lorry='large-vehicle',
            tank='storage-tank', tennis='tennis-court', basketball='basketball-court',
            soccer='soccer-ball-field', track='ground-track-field', pool='swimming-pool',
        ),
        kinds=('harbour', 'airport', 'parking', 'tanks', 'sports', 'stadium'),
        materials=dict(
            water='183436 22423e', asphalt='5c5c5e 6c6a68', concrete='949088 a4a096',
            paving='aaa49a b6b0a6', grass='506436 646e42', turf='4e7038 5c7842',
            soil='847a62 707252', gravel='a6a296 969286',
        ),
        paints=_PAINTS, light=(1.0, 1.0, 1.0), haze=6, blur=0.6, grain=3.5,
    ),
    'b': Domain(
        categories=dict(
            boat='ship', jetty='harbor', plane='airplane', car='vehicle', lorry='vehicle',
            tank='storagetank', tennis='tenniscourt', basketball='basketballcourt',
            track='groundtrackfield', windmill='windmill',
        ),
        kinds=('harbour', 'airport', 'wind_farm', 'tanks', 'sports', 'stadium', 'parking'),
        materials=dict(
            water='1e5468 2e707a', asphalt='706c68 807a72', concrete='b2a894 beb6a4',
            paving='c4b8a0 b8ac96', grass='888254 a09268', turf='627e3e 74844c',
            soil='b09874 beaa86', gravel='bcae92 aa9c82',
        ),
        paints=_PAINTS | dict(
            hulls='ece8e0 3c6e8c c44632 cebe96', liveries='781e3c 145a46 c8a03c 282c6e',
            roofs='beb098 cec4b0 a0684e 8c8c8c', tracks='ac5840 46648c',
            trees='4e5630 5c6038 424c30',
        ),
        light=(1.03, 1.0, 0.94), haze=16, blur=0.75, grain=4.5,
    ),
}  # fmt: skip


class Painter(Board):
    """A board that knows how to draw each kind of scene: u along its frame, v across it.

    Larger pictures hold more things, not larger ones.
    """

    def add(
        self, kind: str, u: float, v: float, turn: float = 0, gap: int = 0, **size: float
    ) -> bool:
        """Place one of a kind of ``shapes.KINDS``; see ``put`` and ``Kind.make``."""
        shape = KINDS[kind].make(self.rng, self.domain.paints, **size)
        return self.put(None if kind in _SCENERY else kind, shape, u, v, turn, gap)

    def vehicle(self, u: float, v: float, turn: float, lorries: float = 0.12, gap: int = 0) -> None:
        """Place a car, or with a probability of ``lorries`` a lorry; see ``put``."""
        self.add('lorry' if self.rng.random() < lorries else 'car', u, v, turn, gap)

    def along(self, step: float) -> np.ndarray:
        """Return places every ``step`` px, along all of the picture."""
        return np.arange(-self.reach, self.reach, step)

    def cover(self, paint: str, v0: float = -np.inf, v1: float = np.inf, opacity: float = 1):
        """Paint a strip along u."""
        v0, v1 = np.clip((v0, v1), -2 * self.reach, 2 * self.reach)
        self.area(rectangle(-self.reach, self.reach, v0, v1), paint, opacity)

    def lattice(self, step: float, paint: str, width: float, opacity: float = 1) -> np.ndarray:
        """Draw a square grid of lines all over; return the middles ``(N, 2)`` of its cells."""
        lines = np.arange(-(self.reach // step) - 1, self.reach // step + 2) * step
        for v in lines:
            ends = np.array([(-self.reach, v), (self.reach, v)])
            self.area(ends, paint, opacity, width)
            self.area(turned(ends, _QUARTER), paint, opacity, width)
        return np.stack(np.meshgrid(lines, lines), -1).reshape(-1, 2) + step / 2

    def road(self, v: float, width: float, step: float) -> None:
        """Draw a road along u with a vehicle about every ``step`` px."""
        self.cover('paving', v - width / 2 - 2, v + width / 2 + 2)
        self.cover('asphalt', v - width / 2, v + width / 2)
        for u in self.along(24):
            self.area(block(10, 1.2, u, v), 'cecec8', 0.7)
        for u in self.along(step):
            lane = self.rng.choice([-1, 1])
            turn = 0 if lane > 0 else np.pi
            self.vehicle(u + self.rng.uniform(0, step), v + lane * width / 4, turn, gap=4)

    def trees(self, v0: float, v1: float, count: float) -> None:
        """Scatter trees over a strip along u, where they cover nothing."""
        low, high = (-self.reach, v0, 0), (self.reach, max(v0, v1), 6.3)
        for u, v, turn in self.rng.uniform(low, high, (round(count), 3)):
            self.add('tree', u, v, turn, gap=2)

    def bays(self, v: float, filled: float, lorries: bool = False) -> None:
        """Draw parking bays side by side along u, and park in a fraction of them."""
        depth, pitch = (30, 14.5) if lorries else (12, 11.5)
        for u in self.along(pitch):
            self.area(block(1, 2 * depth, u, v), 'cecec8', 0.8)
            if self.rng.random() < filled:
                turn = self.rng.choice([-1, 1]) * _QUARTER + self.rng.normal(0, 0.03)
                self.vehicle(u + pitch / 2, v, turn, float(lorries))

    def cluster(
        self, kind: str, u: float, v: float, counts: tuple[int, int], step: tuple[float, float],
        **look: float,
    ) -> None:  # fmt: skip
        """Place things on a grid around a point, ``step`` px apart along u and v; see ``add``."""
        for place in np.ndindex(counts):
            x, y = (place - (np.array(counts) - 1) / 2) * step + (u, v)
            self.add(kind, x, y, gap=1, **look)

    def courts(self, u: float, v: float, kind: str, counts: tuple[int, int]) -> None:
        """Draw courts side by side on one hard surface."""
        step = (104, 53) if kind == 'tennis' else (112, 62)
        length, width = np.multiply(step, counts) + 6
        paint = self.rng.choice(self.domain.paints['courts'].split())
        self.area(block(length, width, u, v), paint, 0.9)
        self.cluster(kind, u, v, counts, step)

    def harbour(self) -> None:
        """Draw jetties full of boats, large ones at the quay, some under way."""
        rng, quay, length = self.rng, -self.side * 0.24, self.side * 0.46
        self.cover('water')
        self.cover('0c1618', quay, quay + 7, 0.4)
        self.cover('concrete', v1=quay)
        self.cover('asphalt', quay - 76, quay - 49)
        self.road(quay - 34, 26, 90)
        self.bays(quay - 62, 0.18)
        for u in self.along(118):
            self.add('building', u, quay - 124, gap=2, aspect=0.55)
        self.trees(quay - 260, quay - 80, self.side / 9)
        for u in np.arange(self.side * 0.31 - 134, -self.reach, -124):
            if not self.add('jetty', u, quay + length / 2, _QUARTER, length=length):
                continue
            for v in np.arange(quay + 13, quay + length - 10, 13.5).repeat(2):
                side, turn = rng.choice([-1, 1]), rng.normal(0, 0.03) + rng.choice([0, np.pi])
                self.add('boat', u + side * rng.uniform(24, 27), v, turn)
        for row in (0, 1):
            self.add('boat', self.side * 0.31, quay + 18 + 28 * row, row * np.pi, length=92)
        for u in rng.uniform(-0.6, 0.6, round(self.side / 64)) * self.side:
            v, turn = rng.uniform((quay + 70, 0), (quay + 70 + self.side * 0.7, 6.3))
            self.add('boat', u, v, turn, gap=25, length=rng.uniform(30, 62))

    def airport(self) -> None:
        """Draw jets at the terminal and on remote stands, light planes, service vehicles."""
        rng, gate, edge = self.rng, -self.side * 0.36, self.side * 0.42
        self.cover('concrete')
        self.lattice(22, '464644', 0.8, 0.3)
        self.cover('grass', v0=edge)
        width = 54 / (2 * self.reach)
        self.add('building', 0, gate - 27, length=2 * self.reach, aspect=width)
        for nose in np.arange(gate + 8, edge - 150, 160):
            for u in self.along(128) + rng.uniform(0, 128):
                self.area(block(1.5, 148, u, nose + 66), 'ceb03e', 0.8)
                if rng.random() < 0.82:
                    self.add('plane', u, nose + 54, rng.normal(-_QUARTER, 0.08))
                places = rng.uniform((u - 58, nose, 0), (u + 58, nose + 110, 6.3), (3, 3))
                for x, y, turn in places:
                    self.vehicle(x, y, turn, lorries=0.2, gap=3)
        for u in self.along(46):
            turn, length = rng.normal(_QUARTER, 0.06), rng.uniform(29, 38)
            self.add('plane', u, edge - 40, turn, length=length)
        self.road(edge + 32, 24, 110)
        self.trees(edge + 50, self.reach, self.side / 12)

    def parking(self) -> None:
        """Draw a car park with planted islands, a yard of lorries, a street, stores."""
        top = -self.side * 0.16
        self.cover('asphalt')
        for v in np.arange(top, self.reach, 84):
            self.cover('paving', v - 5, v + 5)
            self.cover('grass', v - 4, v + 4)
            for row in (17, 58):
                self.bays(v + row, self.rng.uniform(0.06, 0.2))
            self.trees(v - 2, v + 2, self.side / 24)
        self.cover('concrete', top - 84, top - 12)
        self.bays(top - 47, 0.42, lorries=True)
        self.cover('grass', v1=top - 126)
        self.road(top - 108, 30, 70)
        for u in self.along(150):
            self.add('building', u, top - 182, gap=2, aspect=0.5)
        self.trees(top - 320, top - 132, self.side / 6)

    def tanks(self) -> None:
        """Draw walled basins with one large tank or four small ones, and roads."""
        rng, upright = self.rng, -self.angle
        self.sun = 0.0  # roofs are lit along the picture
        self.cover('soil')
        for u, v in self.lattice(134, 'asphalt', 16):
            self.area(block(110, 110, u, v), 'bab2a0', 0.85)
            self.area(block(104, 104, u, v), rng.choice(['gravel', 'concrete']))
            if rng.random() < 0.5:
                self.add('tank', u, v, upright)
            else:
                length = rng.uniform(26, 42)
                self.cluster('tank', u, v, (2, 2), (52, 52), turn=upright, length=length)
            for x, y, turn in ((u, v - 63.4, 0), (u - 63.4, v, _QUARTER)):
                if rng.random() < 0.4:
                    self.vehicle(x, y, turn, lorries=0.3, gap=2)
        self.trees(-self.reach, self.reach, self.side / 9)

    def sports(self) -> None:
        """Draw blocks of courts, pools with a clubhouse, paths."""
        cell = 251
        self.cover('grass')
        for u, v in self.lattice(cell, 'paving', 14):
            content = (2 * round(v / cell - 0.5) + round(u / cell - 0.5)) % 4
            if content == 0:
                self.area(block(208, 208, u, v), 'paving')
                self.add('building', u, v + 68, length=132, aspect=0.4)
                for x, y, size in ((-46, -46, 86), (52, -52, 46), (52, 12, 38)):
                    self.add('pool', u + x, v + y, length=size)
            elif content == 2:
                self.courts(u, v, 'basketball', (1, 3))
            else:
                self.courts(u, v, 'tennis', (2, 3))
        self.trees(-self.reach, self.reach, self.side / 4)

    def stadium(self) -> None:
        """Draw a running track with a soccer field inside, courts and parked cars around."""
        length = min(self.side * 0.72, 420)
        stand = length * 0.29 + 24
        self.cover('grass')
        self.area(block(length * 1.08, length * 0.58), 'paving')
        self.add('track', 0, 0, length=length)
        self.add('soccer', 0, 0, length=length * 0.53)
        self.cover('asphalt', stand + 2, stand + 70)
        for row in (16, 56):
            self.bays(stand + row, 0.2)
        for u, kind in ((-0.3, 'tennis'), (0.3, 'basketball')):
            self.courts(u * self.side, -stand - 84, kind, (1, 2))
        self.add('building', 0, -stand, length=length * 0.6, aspect=0.15)
        self.trees(-self.reach, -stand - 20, self.side / 5)
        self.trees(stand + 80, self.reach, self.side / 8)

    def wind_farm(self) -> None:
        """Draw ploughed fields, wind turbines at the end of tracks, a country road."""
        rng, road = self.rng, self.side * 0.1
        for u, v in self.lattice(150, 'soil', 2):
            self.area(block(148, 148, u, v), rng.choice(['grass', 'turf', 'soil', 'gravel']))
            for furrow in np.arange(-72, 72, rng.uniform(4, 9)):
                self.area(block(148, 1, u, v + furrow), '3c3828', 0.12)
        self.road(road, 20, 60)
        for u in self.along(128) + rng.uniform(0, 60):
            for v in np.arange(-self.side * 0.27, self.reach, 307):
                self.area(np.array([(u, v), (u + 8, road)]), 'paving', 0.8, line=5)
                self.add('windmill', u, v, rng.normal(-_QUARTER, 0.1) - self.angle)
        self.trees(-self.reach, self.reach, self.side / 14)


@dataclass
class DrawnScene:
    """A picture ``(H, W, 3)`` uint8 RGB and its objects, lower ones first."""

    image: np.ndarray
    objects: list[DrawnObject]


def draw_scene(
    kind: str, size: int | tuple[int, int], rng: np.random.Generator, domain: str = 'a'
) -> DrawnScene:
    """Draw an overhead scene; the same state of ``rng`` gives the same bytes.

    Domain ``a`` has class names of the SOTA subset, ``b`` SIOR's. A size is a side in pixels, or
    ``(width, height)``.

    Raises:
        ValueError: The domain has no such kind, or the size is too small.
    """
    if domain not in DOMAINS:
        raise ValueError(f'domain is {domain!r}; there are: {", ".join(DOMAINS)}')
    kinds = DOMAINS[domain].kinds
    if kind not in kinds:
        raise ValueError(f'scene kind is {kind!r}; domain {domain!r} has: {", ".join(kinds)}')
    width, height = (size, size) if isinstance(size, int) else size
    if min(width, height) < LEAST_SIZE:
        raise ValueError(f'size is {width} x {height} pixels; scenes need at least 64 x 64')
    painter = Painter(width, height, DOMAINS[domain], rng)
    getattr(painter, kind)()
    return DrawnScene(painter.photo(), painter.objects())
