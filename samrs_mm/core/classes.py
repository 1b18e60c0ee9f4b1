"""Class lists of the three SAMRS subsets, their palette and abbreviations, and lenient class names.

Orders and palette are those of the SAMRS release (pixel value = position in the tuple); they
differ from mmrotate's, torchgeo's and iSAID's, so classes are matched by name, never by position.
Source of the abbreviations: Wang et al. 2023, arXiv:2305.02034, appendix A.1.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from samrs_mm.core.errors import SamrsError
from samrs_mm.core.wording import counted

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


_SHORTEST = 3
_RARE = 0.1
_NUMBER = re.compile(r'\d+')
_BETWEEN = re.compile(r'(?<=[^\W_])[\s_-]+(?=[^\W_])')


def class_key(name: str) -> str:
    """Return what spellings of class names are compared on: in lower case, words run together.

    Blanks, ``-`` and ``_`` between letters (of any script) or digits are left out, and blanks
    around the name; all other signs count.

    Example:
        >>> class_key('Expressway-Service-area') == class_key('expressway service_area')
        True
        >>> class_key('C+') == class_key('C-')
        False
    """
    return _BETWEEN.sub('', name.strip().lower())


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


def likely_misspelt(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return the rare class names that a slip of the pen makes of a frequent one, with that one.

    Names differ by a letter that is another, missing, doubled or moved, or in the signs between
    words; names with other numbers in them (``A321``, ``A330``) are other classes.

    Example:
        >>> likely_misspelt({'roof': 70, 'rooof': 1, 'car': 9})
        [('rooof', 'roof')]

    Args:
        counts: Boxes by name.
    """
    near: dict[str, list[str]] = {}
    for name in counts:
        key = class_key(name)
        for form in {key, *(key[:at] + key[at + 1 :] for at in range(len(key)))}:
            if len(form) >= _SHORTEST:
                near.setdefault(form, []).append(name)
    found = {}
    for names in near.values():
        most = max(names, key=lambda name: (counts[name], name))
        for name in names:
            rare = counts[name] < counts[most] and counts[name] <= max(1, _RARE * counts[most])
            if rare and _NUMBER.findall(name) == _NUMBER.findall(most):
                found[name] = most
    return sorted(found.items())


def slip_notes(counts: Mapping[str, int]) -> list[str]:
    """Return a line on each rare name that may be a slip of the pen; ``counts`` are the boxes."""
    return [
        f'{name!r} ({counted(counts[name], "box")}) looks like {meant!r} '
        f'({counted(counts[meant], "box")}); if it is, mend the labels'
        for name, meant in likely_misspelt(counts)
    ]


class UnknownClassError(SamrsError):
    """A label names a class that the dataset does not have."""


class ClassTable:
    """Maps class names as spelled in labels to class indices, which are the pixel values.

    A name is the class that is exactly so called; else the only one that is equal but for case,
    then the only one that is equal but for case and the signs between words (``class_key``).

    Raises:
        ValueError: A name that is there twice, or more than 255 names.
    """

    def __init__(self, classes: Sequence[str]):
        if len(classes) > UNLABELLED:
            raise ValueError(f'{len(classes)} classes; an 8-bit label holds at most {UNLABELLED}')
        self.classes = tuple(classes)
        self._exact = {name: index for index, name in enumerate(self.classes)}
        if len(self._exact) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ValueError(f'class {twice!r} is there twice')
        self._alike = [self._by(str.lower), self._by(class_key)]

    def _by(self, key: Callable[[str], str]) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for index, name in enumerate(self.classes):
            places.setdefault(key(name), []).append(index)
        return places

    @classmethod
    def from_names(cls, names: Iterable[str]) -> 'ClassTable':
        """Build a table from the names met in labels, sorted; no two names are one."""
        return cls(sorted(set(names)))

    @property
    def alike(self) -> list[list[str]]:
        """Groups of classes whose names differ in case or in the signs between words alone."""
        groups = self._alike[1].values()
        return [[self.classes[index] for index in group] for group in groups if len(group) > 1]

    def index(self, name: str) -> int:
        """Return the class index of ``name``.

        Raises:
            UnknownClassError: No class reads like it, or several do; the message lists the nearest.
        """
        if name in self._exact:
            return self._exact[name]
        by_case, by_key = self._alike
        key = class_key(name)
        found = by_case.get(name.lower()) or by_key.get(key) or by_key.get(_ALIASES.get(key, ''))
        if found is None:
            near = difflib.get_close_matches(key, by_key, n=3, cutoff=0.4)
            hint = ', '.join(self.classes[i] for k in near for i in by_key[k])
            hint = hint or ', '.join(self.classes)
            raise UnknownClassError(f'unknown class {name!r}; nearest known: {hint}')
        if len(found) > 1:
            names = ' and '.join(repr(self.classes[index]) for index in found)
            raise UnknownClassError(f'class {name!r} may be {names}; give its exact name')
        return found[0]
