# ruff: noqa: RUF005 (arrays are added)
"""Overhead scenes drawn from nothing, with the exact mask of every object.

Two domains differ in class names, colours and sensor, so that training on several sources can be
tried without downloads. A mask holds the visible pixels: a ship takes its pixels from the jetty
below. Things painted on the ground hide nothing: the soccer field inside a running track belongs to
both masks, as both boxes mean it. Shadows, wakes and a pool's rim belong to no mask. An object that
lies less than 70 % inside the picture is not drawn.
"""

from dataclasses import dataclass

import numpy as np

from samrs_mm.drawn import shapes
from samrs_mm.drawn.board import Board, Domain, DrawnObject
from samrs_mm.drawn.shapes import Colours, Shape, block, rectangle, turned

LEAST_SIZE = 64
_QUARTER, _YELLOW, _MARK = np.pi / 2, (206, 176, 62), (206, 206, 200)
_PAINTS: dict[str, Colours] = dict(
    cars=((226, 226, 224), (206, 208, 210), (168, 172, 176), (62, 66, 72), (34, 36, 40),
          (116, 120, 126), (150, 36, 34), (46, 72, 124), (184, 170, 140), (52, 82, 66)),
    hulls=((234, 234, 230), (226, 226, 224), (240, 240, 238), (40, 52, 84), (210, 204, 190)),
    freighters=((110, 40, 36), (38, 44, 52), (46, 66, 104), (44, 84, 70)),
    boxes=((160, 58, 44), (44, 86, 138), (200, 198, 190), (66, 116, 78), (196, 128, 46)),
    decks=((142, 92, 70), (150, 132, 108), (164, 158, 148)),
    liveries=((30, 58, 120), (180, 40, 44), (220, 150, 40), (36, 110, 104), (60, 64, 72)),
    roofs=((160, 156, 150), (120, 124, 130), (146, 86, 66), (190, 188, 182), (108, 116, 108)),
    tanks=((218, 218, 212), (206, 208, 206), (190, 188, 178), (164, 160, 150), (158, 112, 84)),
    courts=((56, 104, 82), (58, 92, 132), (150, 84, 64), (84, 112, 74)),
    tracks=((152, 74, 58), (166, 86, 62), (140, 66, 58)),
    trees=((58, 82, 42), (70, 92, 50), (52, 74, 46), (92, 100, 56)),
)  # fmt: skip
DOMAINS = {
    'a': Domain(
        categories=dict(
            ship='ship', harbor='harbor', plane='plane', car='small-vehicle', lorry='large-vehicle',
            tank='storage-tank', tennis='tennis-court', basketball='basketball-court',
            soccer='soccer-ball-field', track='ground-track-field', pool='swimming-pool',
        ),
        kinds=('harbour', 'airport', 'parking', 'tanks', 'sports', 'stadium'),
        materials=dict(
            water=((24, 52, 54), (34, 66, 62)), asphalt=((92, 92, 94), (108, 106, 104)),
            concrete=((148, 144, 136), (164, 160, 150)), paving=((170, 164, 154), (182, 176, 166)),
            grass=((80, 100, 54), (100, 110, 66)), turf=((78, 112, 56), (92, 120, 66)),
            soil=((132, 122, 98), (112, 114, 82)), gravel=((166, 162, 150), (150, 146, 134)),
        ),
        paints=_PAINTS, light=(1.0, 1.0, 1.0), haze=6, blur=0.6, grain=3.5,
    ),
    'b': Domain(
        categories=dict(
            ship='ship', harbor='harbor', plane='airplane', car='vehicle', lorry='vehicle',
            tank='storagetank', tennis='tenniscourt', basketball='basketballcourt',
            track='groundtrackfield', windmill='windmill',
        ),
        kinds=('harbour', 'airport', 'wind_farm', 'tanks', 'sports', 'stadium', 'parking'),
        materials=dict(
            water=((30, 84, 104), (46, 112, 122)), asphalt=((112, 108, 104), (128, 122, 114)),
            concrete=((178, 168, 148), (190, 182, 164)), paving=((196, 184, 160), (184, 172, 150)),
            grass=((136, 130, 84), (160, 146, 104)), turf=((98, 126, 62), (116, 132, 76)),
            soil=((176, 152, 116), (190, 170, 134)), gravel=((188, 174, 146), (170, 156, 130)),
        ),
        paints=_PAINTS | dict(
            hulls=((236, 232, 224), (60, 110, 140), (196, 70, 50), (206, 190, 150)),
            liveries=((120, 30, 60), (20, 90, 70), (200, 160, 60), (40, 44, 110)),
            roofs=((190, 176, 152), (206, 196, 176), (160, 104, 78), (140, 140, 140)),
            tracks=((172, 88, 64), (70, 100, 140)),
            trees=((78, 86, 48), (92, 96, 56), (66, 76, 48)),
        ),
        light=(1.03, 1.0, 0.94), haze=16, blur=0.75, grain=4.5,
    ),
}  # fmt: skip


class Painter(Board):
    """A board that knows how to draw each kind of scene: u along its frame, v across it.

    Larger pictures hold more things, not larger ones.
    """

    def make(self, thing: str, *args: object, paints: str = '') -> Shape:
        """Return a shape of ``shapes``, its colours from a palette of the domain."""
        palettes = [self.domain.paints[name] for name in paints.split()]
        return getattr(shapes, thing)(self.rng, *args, *palettes)

    def along(self, step: float) -> np.ndarray:
        """Return places every ``step`` px, along all of the picture."""
        return np.arange(-self.reach, self.reach, step)

    def cover(self, material: str, v0: float = -9999, v1: float = 9999) -> None:
        """Cover a strip along u with a material."""
        v0, v1 = np.clip((v0, v1), -2 * self.reach, 2 * self.reach)
        self.area(rectangle(-self.reach, self.reach, v0, v1), material)

    def line(self, *ends: tuple[float, float], paint: Colours | str = _YELLOW, width: float = 1.5):
        """Draw a line on the ground."""
        self.area(np.array(ends), paint, 0.8, width)

    def vehicle(self, u: float, v: float, turn: float, lorries: float = 0.12, gap: int = 0) -> None:
        """Place a car, or with a probability of ``lorries`` a lorry; see ``put``."""
        role = 'lorry' if self.rng.random() < lorries else 'car'
        self.put(role, self.make(role, paints='cars'), u, v, turn, gap)

    def road(self, v: float, width: float, step: float) -> None:
        """Draw a road along u with a vehicle about every ``step`` px."""
        self.cover('paving', v - width / 2 - 2, v + width / 2 + 2)
        self.cover('asphalt', v - width / 2, v + width / 2)
        for u in self.along(24):
            self.area(rectangle(u, u + 10, v - 0.6, v + 0.6), _MARK, 0.7)
        for u in self.along(step):
            lane, where = self.rng.integers(2), u + self.rng.uniform(0, step)
            self.vehicle(where, v + (lane - 0.5) * width / 2, (1 - lane) * np.pi, gap=4)

    def trees(self, v0: float, v1: float, count: float) -> None:
        """Scatter trees over a strip along u, where they cover nothing."""
        low, high = (-self.reach, v0), (self.reach, max(v0, v1))
        for place in self.rng.uniform(low, high, (round(count), 2)):
            self.put(None, self.make('tree', paints='trees'), *place, gap=2)

    def buildings(self, v: float, step: float) -> None:
        """Put up a row of buildings along u."""
        for u in self.along(step):
            size = step * self.rng.uniform(0.6, 0.85), self.rng.uniform(40, 62)
            self.put(None, self.make('building', *size, paints='roofs'), u, v, gap=2)

    def bays(self, v: float, filled: float, lorries: float = 0, u: float = 0, reach: float = 0):
        """Draw parking bays side by side along u, and park in some of them.

        Args:
            v: Middle of the row.
            filled: Probability that one is taken.
            lorries: Probability that it is a lorry that takes it.
            u: Middle of the row.
            reach: Half its length; 0 takes all of the picture.
        """
        depth, pitch, reach = (30, 14.5, self.reach) if lorries else (12, 11.5, reach or self.reach)
        for a in np.arange(u - reach, u + reach, pitch):
            self.line((a, v - depth), (a, v + depth), paint=_MARK, width=1)
            if self.rng.random() < filled:
                turn = self.rng.choice([-1, 1]) * _QUARTER + self.rng.normal(0, 0.03)
                self.vehicle(a + pitch / 2, v + self.rng.normal(0, 0.8), turn, lorries)

    def harbour(self) -> None:
        """Draw jetties full of boats, coasters at the quay, boats under way."""
        rng, quay, length = self.rng, -self.side * 0.24, self.side * 0.46
        self.cover('water')
        self.area(rectangle(-self.reach, self.reach, quay, quay + 7), (12, 22, 24), 0.4)
        self.cover('concrete', v1=quay)
        self.cover('asphalt', quay - 76, quay - 49)
        self.road(quay - 34, 26, 90)
        self.bays(quay - 62, 0.18)
        self.buildings(quay - 124, 118)
        self.trees(quay - 260, quay - 80, self.side / 9)
        for u in np.arange(self.side * 0.31 - 134, -self.reach, -124):
            deck = shapes.pick(rng, self.domain.paints['decks'])
            jetty = shapes.jetty(length, 24, deck)
            if not self.put('harbor', jetty, u, quay + length / 2, _QUARTER):
                continue
            for v in np.arange(quay + 13, quay + length - 10, 13.5).repeat(2):
                size, side, turn = rng.uniform(29, 42), rng.choice([-1, 1]), rng.normal(0, 0.03)
                yacht, turn = self.make('boat', size, paints='hulls'), turn + rng.choice([0, np.pi])
                self.put('ship', yacht, u + side * (7 + size / 2), v, turn)
        for row, size in enumerate((116, 104)):
            coaster = self.make('freighter', size, paints='freighters boxes')
            self.put('ship', coaster, self.side * 0.31, quay + 13 + 20.5 * row, row * np.pi)
        for u in rng.uniform(-0.6, 0.6, round(self.side / 64)) * self.side:
            v, turn, size = rng.uniform((quay + 70, 0, 30), (quay + 70 + self.side * 0.7, 6.3, 62))
            if self.put('ship', self.make('boat', size, paints='hulls'), u, v, turn, gap=25):
                wake = turned([(-0.5, -0.06), (-2.3, -0.2), (-2.3, 0.2), (-0.5, 0.06)], turn)
                self.area(wake * size + (u, v), (214, 226, 224), 0.15)

    def airport(self) -> None:
        """Draw jets at the terminal and on remote stands, light planes, service vehicles."""
        rng, gate, edge = self.rng, -self.side * 0.36, self.side * 0.42
        self.cover('grass')
        self.cover('concrete', gate - 170, edge)
        for a in self.along(22):
            self.area(np.array([(a, gate), (a, edge)]), (70, 70, 68), 0.3, line=0.8)
            if gate < a < edge:
                ends = np.array([(-self.reach, a), (self.reach, a)])
                self.area(ends, (70, 70, 68), 0.3, line=0.8)
        terminal = self.make('building', 2 * self.reach, 54, paints='roofs')
        self.put(None, terminal, 0, gate - 27)
        for nose in np.arange(gate + 8, edge - 150, 160):
            for u in self.along(128) + rng.uniform(0, 128):
                self.line((u, nose - 8), (u, nose + 140))
                size, turn = rng.uniform(86, 116), rng.normal(-_QUARTER, 0.08)
                if rng.random() < 0.82:
                    jet = self.make('plane', size, paints='liveries')
                    self.put('plane', jet, u, nose + size / 2 + 2, turn)
                for place in rng.uniform((u - 58, nose, 0), (u + 58, nose + 110, 6.3), (3, 3)):
                    self.vehicle(*place, lorries=0.2, gap=3)
        for u in self.along(46):
            light = self.make('plane', rng.uniform(29, 38), paints='liveries')
            self.put('plane', light, u, edge - 40 + rng.normal(0, 2), rng.normal(_QUARTER, 0.06))
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
        self.bays(top - 47, 0.42, lorries=1)
        self.cover('grass', v1=top - 126)
        self.road(top - 108, 30, 70)
        self.buildings(top - 182, 150)
        self.trees(top - 320, top - 132, self.side / 6)

    def tanks(self) -> None:
        """Draw walled basins with one large tank or three to four small ones, and roads."""
        rng, cell = self.rng, 134
        self.cover('soil')
        lines = np.arange(-(self.reach // cell) - 1, self.reach // cell + 2) * cell
        for a in lines:
            for turn in (0, _QUARTER):
                self.area(turned(rectangle(-self.reach, self.reach, a - 8, a + 8), turn), 'asphalt')
        for u, v in np.stack(np.meshgrid(lines, lines), -1).reshape(-1, 2) + cell / 2:
            self.area(block(110, 110, u, v), (186, 178, 160), 0.85)
            self.area(block(104, 104, u, v), rng.choice(['gravel', 'concrete']))
            spots, radii = [(0, 0)], (36, 46)
            if rng.random() < 0.5:
                spots, radii = block(52, 52)[rng.integers(2) :], (13, 21)
            for x, y in spots:
                tank = self.make('tank', rng.uniform(*radii), self.domain.paints['tanks'], self.sun)
                self.put('tank', tank, u + x, v + y, -self.angle, gap=1)  # boxes stand upright
            for place in ((u, v - 63.4, 0), (u - 63.4, v, _QUARTER)):
                if rng.random() < 0.4:
                    self.vehicle(*place, lorries=0.3, gap=2)
        self.trees(-self.reach, self.reach, self.side / 9)

    def courts(self, u: float, v: float, game: str, columns: int, rows: int, turn: float = 0):
        """Draw courts side by side on one hard surface.

        Args:
            u: Middle of the surface.
            v: The same across.
            game: ``tennis`` or ``basketball``.
            columns: Courts one behind the other.
            rows: Courts side by side.
            turn: Direction of the courts in radians.
        """
        surround, colour = self.rng.permutation(self.domain.paints['courts'])[:2].tolist()
        step = np.array([104, 53] if game == 'tennis' else [112, 62])
        ground = turned(block(*(step * (columns, rows) + 6)), turn) + (u, v)
        self.area(ground, surround, 0.9)
        for place in np.ndindex(columns, rows):
            middle = (place - np.array([columns - 1, rows - 1]) / 2) * step
            at = turned([middle], turn)[0] + (u, v)
            self.put(game, shapes.court(game, colour), *at, turn)
        self.reserve(ground)

    def sports(self) -> None:
        """Draw blocks of courts, pools with a clubhouse, a car park, paths."""
        cell = 251
        lines = np.arange(-(self.reach // cell) - 1, self.reach // cell + 2) * cell
        self.cover('grass')
        for a in lines:
            for turn in (0, _QUARTER):
                self.area(turned(rectangle(-self.reach, self.reach, a - 7, a + 7), turn), 'paving')
        for (row, column), _ in np.ndenumerate(np.empty((len(lines), len(lines)))):
            u, v, content = lines[column] + cell / 2, lines[row] + cell / 2, (2 * row + column) % 4
            if content == 0:
                self.area(block(208, 208, u, v), 'paving')
                club = self.make('building', 132, 50, paints='roofs')
                self.put(None, club, u, v + 68)
                for x, y, size in ((-46, -46, 86), (52, -52, 46), (52, 12, 38)):
                    self.put('pool', self.make('pool', size), u + x, v + y)
                self.reserve(block(208, 208, u, v))
            elif content == 2:
                self.courts(u, v, 'basketball', 1, 3)
            elif max(abs(u), abs(v)) < cell:
                self.courts(u, v, 'tennis', 2, 3)
            else:
                self.area(block(224, 224, u, v), 'asphalt')
                for lane in np.arange(-90, 100, 44):
                    self.bays(v + lane, 0.25, u=u, reach=104)
        self.trees(-self.reach, self.reach, self.side / 4)

    def stadium(self) -> None:
        """Draw a running track with a soccer field inside, courts and parked cars around."""
        length = min(self.side * 0.72, 420)
        width, stand = length * 0.52, length * 0.29 + 24
        self.cover('grass')
        self.area(block(length * 1.08, length * 0.58), 'paving')
        lanes = shapes.pick(self.rng, self.domain.paints['tracks'])
        self.put('track', shapes.running_track(length, width, lanes), 0, 0)
        self.put('soccer', shapes.soccer_field(length * 0.53, width * 0.66), 0, 0)
        self.cover('asphalt', stand + 2, stand + 70)
        for row in (16, 56):
            self.bays(stand + row, 0.2)
        for u in (-0.3, 0.3):
            game = self.rng.choice(['tennis', 'basketball'])
            self.courts(u * self.side, -stand - 84, game, 1, 2, _QUARTER)
        self.put(None, self.make('building', length * 0.6, 34, paints='roofs'), 0, -stand)
        self.trees(-self.reach, -stand - 20, self.side / 5)
        self.trees(stand + 80, self.reach, self.side / 8)

    def wind_farm(self) -> None:
        """Draw ploughed fields, wind turbines at the end of tracks, a country road."""
        rng, road = self.rng, self.side * 0.1
        self.cover('soil')
        for u in self.along(150):
            for v in self.along(110):
                cover = rng.choice(['grass', 'turf', 'soil', 'gravel'])
                self.area(rectangle(u, u + 148, v, v + 108), cover, rng.uniform(0.5, 1))
                for a in np.arange(v + 5, v + 106, rng.uniform(4, 9)):
                    self.area(rectangle(u, u + 148, a, a + 1), (60, 56, 40), 0.12)
        self.road(road, 20, 60)
        for u in self.along(128) + rng.uniform(0, 60):
            for v in np.arange(-self.side * 0.27, self.reach, 307):
                self.line((u, v), (u + 8, road), paint='paving', width=5)
                reach, turn = rng.uniform(34, 46), rng.normal(-_QUARTER, 0.1) - self.angle
                hub = turned([(reach * 0.8, 0)], turn)[0] + (u, v)
                self.put('windmill', self.make('windmill', reach), *hub, turn)
        self.trees(-self.reach, self.reach, self.side / 14)


@dataclass
class DrawnScene:
    """A picture ``(H, W, 3)`` uint8 RGB and its objects, lower ones first."""

    image: np.ndarray
    objects: list[DrawnObject]


def draw_scene(
    kind: str, size: int | tuple[int, int], rng: np.random.Generator, domain: str = 'a'
) -> DrawnScene:
    """Draw one overhead scene.

    Args:
        kind: One of ``DOMAINS[domain].kinds``.
        size: Side in pixels, or ``(width, height)``; at least 64.
        rng: Source of all randomness; the same state gives the same bytes.
        domain: ``a`` has class names of the SOTA subset, ``b`` SIOR's.

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
