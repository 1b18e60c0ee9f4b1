"""Kinds of things that crops are drawn of: their parts, where they stand, how large and high.

The outlines of the demo's scenes (``samrs_mm.drawn.shapes``) are none of them, so that those scenes
test what was learned here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.kinds import (
    aircraft,
    buildings,
    facilities,
    fields,
    free,
    vehicles,
    vessels,
    ways,
)
from samrs_mm.drawn.outlines import Part
from samrs_mm.drawn.paint import Colour

Draw = Callable[[Dice, Colour], list[Part]]


@dataclass(frozen=True)
class CropKind:
    """A kind of things.

    Args:
        draw: Returns the parts of one of them in painting order, about 1 long along x. Parts before
            the first solid one lie on the ground below everything, and may go on beyond it.
        share: How often it is drawn, among the shares of all kinds.
        grounds: Keys of ``paint.GROUNDS`` on which it mostly stands.
        sizes: Its usual length in pixels, shortest and longest.
        height: Largest height for a width of 1; its shadow is as long. 0 lies flat.
        stands: How others stand around it: ``rows`` of its kind, ``docks`` (boats along its sides),
            or ``alone`` (a few things of any kind).
        footprint: Whether labels mean its outline below trees, as those of buildings do.
    """

    draw: Draw
    share: float
    grounds: tuple[str, ...] = ('paved', 'bare', 'green')
    sizes: tuple[float, float] = (18, 160)
    height: float = 0.5
    stands: str = 'alone'
    footprint: bool = False


_ROAD, _WATER, _TURF = ('paved',), ('water',), ('green', 'bare', 'paved')


def _vehicle(draw: Draw, share: float, sizes: tuple[float, float]) -> CropKind:
    return CropKind(draw, share, ('paved', 'paved', 'bare', 'green'), sizes, 0.6, 'rows')


def _vessel(draw: Draw, share: float, sizes: tuple[float, float], stands='rows') -> CropKind:
    return CropKind(draw, share, _WATER, sizes, 0.3, stands)


def _plane(draw: Draw, share: float) -> CropKind:
    return CropKind(draw, share, ('paved', 'paved', 'green', 'bare'), (20, 220), 0.25, 'rows')


def _building(draw: Draw, share: float, sizes: tuple[float, float] = (20, 260)) -> CropKind:
    return CropKind(draw, share, ('green', 'bare', 'paved'), sizes, 0.5, 'rows', footprint=True)


def _flat(draw: Draw, share: float, sizes=(30, 300), stands='alone', grounds=_TURF) -> CropKind:
    return CropKind(draw, share, grounds, sizes, 0, stands)


KINDS = {
    'car': _vehicle(vehicles.car, 16, (10, 80)),
    'van': _vehicle(vehicles.van, 4, (12, 90)),
    'bus': _vehicle(vehicles.bus, 9, (20, 140)),
    'truck': _vehicle(vehicles.truck, 9, (18, 140)),
    'trailer': _vehicle(vehicles.trailer, 3, (18, 140)),
    'tractor': _vehicle(vehicles.tractor, 1.5, (10, 70)),
    'excavator': _vehicle(vehicles.excavator, 1.5, (12, 100)),
    'dump_truck': _vehicle(vehicles.dump_truck, 2, (14, 110)),
    'boat': _vessel(vessels.boat, 7, (10, 140)),
    'sailing_boat': _vessel(vessels.sailing_boat, 3, (12, 120)),
    'cargo_ship': _vessel(vessels.cargo_ship, 3, (40, 400), 'alone'),
    'liner': _vessel(vessels.liner, 2, (40, 400), 'alone'),
    'tug': _vessel(vessels.tug, 2, (14, 120)),
    'barge': _vessel(vessels.barge, 2, (24, 260)),
    'warship': _vessel(vessels.warship, 2, (30, 400)),
    'raft': _vessel(vessels.raft, 2, (14, 140)),
    'jet': _plane(aircraft.jet, 8),
    'light_plane': _plane(aircraft.light_plane, 3),
    'fighter': _plane(aircraft.fighter, 2),
    'helicopter': _plane(aircraft.helicopter, 3),
    'house': _building(buildings.house, 12),
    'hall': _building(buildings.hall, 3, (40, 400)),
    'train_station': _building(buildings.train_station, 1.5, (60, 500)),
    'toll_station': _building(buildings.toll_station, 1.5, (40, 300)),
    'service_area': _flat(buildings.service_area, 1.5, (80, 500)),
    'containers': CropKind(buildings.containers, 2, _ROAD, (12, 120), 0.4, 'rows'),
    'tank': CropKind(facilities.tank, 8, sizes=(10, 200), height=0.4, stands='rows'),
    'chimney': CropKind(facilities.chimney, 2, sizes=(16, 200), height=2, footprint=True),
    'windmill': CropKind(facilities.windmill, 3, ('green', 'bare', 'bare'), (30, 260), 1.5),
    'crane': CropKind(facilities.crane, 2, ('paved', 'water', 'bare'), (30, 260), 1),
    'helipad': _flat(facilities.helipad, 2, (14, 160)),
    'stadium': CropKind(facilities.stadium, 2, sizes=(60, 500), height=0.25, footprint=True),
    'dam': CropKind(facilities.dam, 2, ('green', 'bare'), (60, 500), 0.3),
    'court': _flat(fields.court, 6, (24, 240), 'rows'),
    'pitch': _flat(fields.pitch, 3),
    'track': _flat(fields.track, 3),
    'diamond': _flat(fields.diamond, 3),
    'pool': _flat(fields.pool, 4, (10, 200)),
    'golf': _flat(fields.golf, 1.5, (80, 500)),
    'bridge': CropKind(ways.bridge, 4, sizes=(24, 500), height=0.25),
    'pier': CropKind(ways.pier, 5, _WATER, (40, 500), 0.15, 'docks'),
    'harbour': CropKind(ways.harbour, 3, _WATER, (60, 500), 0.15, 'docks'),
    'roundabout': _flat(ways.roundabout, 2, (30, 300)),
    'crossing': _flat(ways.crossing, 2, (40, 300)),
    'overpass': CropKind(ways.overpass, 2, sizes=(50, 500), height=0.2),
    'runway': _flat(ways.runway, 1.5, (80, 500)),
    'airport': _flat(ways.airport, 1.5, (100, 500)),
    'bar': CropKind(free.bar, 5, stands='rows'),
    'blob': CropKind(free.blob, 6, height=0.2),
    'scatter': CropKind(free.scatter, 4),
}
"""What crops are drawn of, by name."""
