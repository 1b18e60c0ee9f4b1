"""Which drawn kinds look like the classes of SAMRS's subsets."""

from samrs_mm.core.classes import class_key
from samrs_mm.drawn.kinds import KINDS

_PLANES = ('jet', 'light_plane', 'fighter')
_SHIPS = (
    'boat', 'sailing_boat', 'cargo_ship', 'liner', 'tug', 'barge', 'warship', 'raft',
)  # fmt: skip
_LORRIES = ('truck', 'trailer', 'dump_truck')
_PIERS = ('pier', 'harbour')

CLASS_KINDS: dict[str, tuple[str, ...]] = {
    # SOTA
    'large-vehicle': ('bus', *_LORRIES), 'small-vehicle': ('car', 'van'),
    'plane': _PLANES, 'helicopter': ('helicopter',), 'ship': _SHIPS, 'harbor': _PIERS,
    'bridge': ('bridge',), 'roundabout': ('roundabout',), 'airport': ('airport', 'runway'),
    'helipad': ('helipad',), 'container-crane': ('crane', 'containers'),
    'storage-tank': ('tank',), 'swimming-pool': ('pool',), 'soccer-ball-field': ('pitch',),
    'basketball-court': ('court',), 'tennis-court': ('court',), 'baseball-diamond': ('diamond',),
    'ground-track-field': ('track',),
    # SIOR, where it differs
    'airplane': _PLANES, 'baseballfield': ('diamond',), 'chimney': ('chimney',),
    'expressway-service-area': ('service_area',), 'expressway-toll-station': ('toll_station',),
    'dam': ('dam',), 'golffield': ('golf',), 'overpass': ('overpass',), 'stadium': ('stadium',),
    'trainstation': ('train_station', 'hall'),
    'vehicle': ('car', 'van', 'bus', *_LORRIES), 'windmill': ('windmill',),
    # FAST, where it differs
    **dict.fromkeys(
        ('A220', 'A321', 'A330', 'A350', 'ARJ21', 'Boeing737', 'Boeing747', 'Boeing777',
         'Boeing787', 'C919'), ('jet',)),
    'other-airplane': (*_PLANES, 'helicopter'), 'Football-Field': ('pitch',),
    'Intersection': ('crossing',), 'Bus': ('bus',), 'Cargo-Truck': _LORRIES,
    'Dump-Truck': ('dump_truck',),
    'Excavator': ('excavator',), 'Small-Car': ('car',), 'Tractor': ('tractor',),
    'Trailer': ('trailer',), 'Truck-Tractor': ('truck', 'tractor'), 'Van': ('van',),
    'other-vehicle': ('van', 'excavator', 'tractor'),
    'Dry-Cargo-Ship': ('cargo_ship', 'barge'), 'Liquid-Cargo-Ship': ('cargo_ship',),
    'Engineering-Ship': ('barge', 'tug'), 'Fishing-Boat': ('tug', 'boat'),
    'Motorboat': ('boat', 'sailing_boat'), 'Passenger-Ship': ('liner',), 'Tugboat': ('tug',),
    'Warship': ('warship',), 'other-ship': _SHIPS,
}  # fmt: skip
"""Names of ``KINDS`` by class name of SOTA, SIOR and FAST."""

_BY_KEY = {class_key(name): kinds for name, kinds in CLASS_KINDS.items()}


def kinds_for(name: str) -> tuple[str, ...]:
    """Return the kinds that look like a class, by any spelling of its name; all for an unknown one.

    Example:
        >>> kinds_for('storagetank'), len(kinds_for('cow')) == len(KINDS)
        (('tank',), True)
    """
    return _BY_KEY.get(class_key(name), tuple(KINDS))
