"""Class lists of the three SAMRS subsets, their palette and abbreviations, and lenient class names.

Orders and palette are those of the SAMRS release (pixel value = position in the tuple); they
differ from mmrotate's, torchgeo's and iSAID's, so classes are matched by name, never by position.
Source of the abbreviations: Wang et al. 2023, arXiv:2305.02034, appendix A.1.
"""

import difflib
import re
from collections.abc import Iterable, Sequence

from samrs_mm.core.errors import SamrsError

SOTA_CLASSES = (
    'large-vehicle', 'swimming-pool', 'helicopter', 'bridge', 'plane', 'ship',
    'soccer-ball-field', 'basketball-court', 'ground-track-field', 'small-vehicle',
    'baseball-diamond', 'tennis-court', 'roundabout', 'storage-tank', 'harbor',
    'container-crane', 'airport', 'helipad',
)  # fmt: skip
SIOR_CLASSES = (
    'airplane', 'airport', 'baseballfield', 'basketballcourt', 'bridge', 'chimney',
    'expressway-service-area', 'expressway-toll-station', 'dam', 'golffield', 'groundtrackfield',
    'harbor', 'overpass', 'ship', 'stadium', 'storagetank', 'tenniscourt', 'trainstation',
    'vehicle', 'windmill',
)  # fmt: skip
FAST_CLASSES = (
    'A220', 'A321', 'A330', 'A350', 'ARJ21', 'Baseball-Field', 'Basketball-Court', 'Boeing737',
    'Boeing747', 'Boeing777', 'Boeing787', 'Bridge', 'Bus', 'C919', 'Cargo-Truck',
    'Dry-Cargo-Ship', 'Dump-Truck', 'Engineering-Ship', 'Excavator', 'Fishing-Boat',
    'Football-Field', 'Intersection', 'Liquid-Cargo-Ship', 'Motorboat', 'other-airplane',
    'other-ship', 'other-vehicle', 'Passenger-Ship', 'Roundabout', 'Small-Car', 'Tennis-Court',
    'Tractor', 'Trailer', 'Truck-Tractor', 'Tugboat', 'Van', 'Warship',
)  # fmt: skip

NAMED_CLASSES = {'sota': SOTA_CLASSES, 'sior': SIOR_CLASSES, 'fast': FAST_CLASSES}
"""Class lists that a config can ask for by name."""

PALETTE = (
    (0, 127, 255), (0, 63, 0), (0, 127, 63), (0, 63, 255), (0, 0, 127), (0, 127, 127), (0, 0, 63),
    (0, 63, 127), (0, 63, 191), (0, 191, 127), (0, 127, 191), (0, 63, 63), (0, 100, 155),
    (0, 0, 255), (0, 0, 191), (64, 191, 127), (64, 0, 191), (128, 63, 63), (128, 0, 63),
    (191, 63, 0), (255, 127, 0), (63, 0, 0), (127, 63, 0), (63, 255, 0), (0, 127, 0),
    (127, 127, 0), (63, 0, 63), (63, 127, 0), (63, 191, 0), (191, 127, 0), (127, 191, 0),
    (63, 63, 0), (100, 155, 0), (0, 255, 0), (0, 191, 0), (191, 127, 64), (0, 191, 64),
)  # fmt: skip
"""RGB by pixel value, one list for all SAMRS subsets."""

UNLABELLED = 255
"""Pixel value of what no mask covers: ignored in training, not a background class."""

_ALIASES = {
    'storetank': 'storagetank',
    'golfcourse': 'golffield',
    'tollstation': 'expresswaytollstation',
    'servicearea': 'expresswayservicearea',
}


def class_key(name: str) -> str:
    """Return what class names are compared on: lower case letters (of any script) and digits.

    A name without any stays as it is.

    Example:
        >>> class_key('Expressway-Service-area') == class_key('expressway service_area')
        True
    """
    return re.sub(r'[\W_]', '', name.lower()) or name


_SHORT = {
    'sota': 'LV SP HC BR PL SH SBF BC GTF SV BD TC RA ST HA CC AP HP',
    'sior': 'APL APO BF BC BR CH ESA ETS DA GF GTF HA OP SH STD STT TC TS VH WD',
    'fast': (
        'A2 A3 A4 A5 ARJ BF BC B3 B4 B7 B8 BR BU C9 CT DCS DT ES EV FB '  # codespell:ignore bu
        'FF IN LCS MB OA OS OV PS RA SC TC TRT TRL TUT TB VA WS'
    ),
}
ABBREVIATIONS = {
    subset: dict(zip(map(class_key, NAMED_CLASSES[subset]), text.split(), strict=True))
    for subset, text in _SHORT.items()
}
"""Abbreviation by ``class_key`` for each of SAMRS's subsets; they mean other classes in another."""


def abbreviations(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the paper's abbreviations where all classes are of one subset, else their names.

    Example:
        >>> abbreviations(('ship', 'plane')), abbreviations(('ship', 'submarine'))
        (('SH', 'PL'), ('ship', 'submarine'))
    """
    keys = [class_key(name) for name in classes]
    for table in ABBREVIATIONS.values():
        if table.keys() >= set(keys):
            return tuple(table[key] for key in keys)
    return tuple(classes)


def palette_for(num_classes: int) -> list[tuple[int, int, int]]:
    """Return ``num_classes`` RGB colours: the SAMRS palette, then evenly hashed ones."""
    extra = [
        ((37 * i + 91) % 256, (101 * i + 53) % 256, (173 * i + 17) % 256)
        for i in range(len(PALETTE), num_classes)
    ]
    return [*PALETTE[:num_classes], *extra]


class UnknownClassError(SamrsError):
    """A label names a class that the dataset does not have."""


class ClassTable:
    """Maps class names as spelled in labels to class indices, which are the pixel values.

    Raises:
        ValueError: Two names that differ only in case and punctuation, or more than 255 names.
    """

    def __init__(self, classes: Sequence[str]):
        if len(classes) > UNLABELLED:
            raise ValueError(f'{len(classes)} classes; an 8-bit label holds at most {UNLABELLED}')
        self.classes = tuple(classes)
        self._index: dict[str, int] = {}
        for index, name in enumerate(self.classes):
            other = self._index.setdefault(class_key(name), index)
            if other != index:
                raise ValueError(f'classes {self.classes[other]!r} and {name!r} read as the same')

    @classmethod
    def from_names(cls, names: Iterable[str]) -> 'ClassTable':
        """Build a table from the names met in labels, sorted; spellings of one name are one."""
        spelling: dict[str, str] = {}
        for name in sorted(set(names)):
            spelling.setdefault(class_key(name), name)
        return cls(sorted(spelling.values()))

    def index(self, name: str) -> int:
        """Return the class index of ``name``.

        Raises:
            UnknownClassError: No class reads like it; the message lists the nearest.
        """
        key = class_key(name)
        index = self._index.get(key, self._index.get(_ALIASES.get(key, '')))
        if index is None:
            near = difflib.get_close_matches(key, self._index, n=3, cutoff=0.4)
            hint = ', '.join(self.classes[self._index[k]] for k in near) or ', '.join(self.classes)
            raise UnknownClassError(f'unknown class {name!r}; nearest known: {hint}')
        return index
