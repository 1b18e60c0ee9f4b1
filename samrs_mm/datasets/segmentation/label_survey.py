"""What the labels of a source hold, from a sample of them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import LabelReadError, SamrsError
from samrs_mm.core.parallel import threaded
from samrs_mm.datasets.segmentation.parts import Part
from samrs_mm.datasets.transforms.pixels import read_label

_THREADS = 4
Known = Callable[[Part, Mapping[str, Any]], np.ndarray | None]
"""Gives the counts of a label that was read before, by part and ``get_data_info``."""


@dataclass
class Survey:
    """What was met in the labels of one source.

    ``counts`` are pixels by value, ``(256,)`` int64, as the network is taught them: values below
    ``len(classes)`` are classes, 255 is not trained on. ``blind`` says that its labels can't be
    looked at: none, or loaded by transforms of one's own.
    """

    source: str
    classes: tuple[str, ...]
    images: int
    looked: int = 0
    counts: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    faults: list[str] = field(default_factory=list)
    reduced: bool = False
    blind: bool = False

    @property
    def whole(self) -> bool:
        """Whether all labels were looked at."""
        return self.looked == self.images

    @property
    def met(self) -> list[int]:
        """Classes that have pixels."""
        return np.flatnonzero(self.counts[: len(self.classes)]).tolist()

    @property
    def ignored(self) -> float:
        """Share of pixels that are 255, in [0, 1]."""
        return self.share(UNLABELLED)

    def share(self, value: int) -> float:
        """Return the share of all pixels that have a value, in [0, 1]."""
        return float(self.counts[value] / max(self.counts.sum(), 1))

    def named(self, value: int) -> str:
        """Return a class as messages name it."""
        return f'class {value} ({self.classes[value]})'

    def extent(self) -> str:
        """Return how many labels stand behind a statement."""
        if self.whole:
            return f'the {self.images:,} labels' if self.images > 1 else 'the one label'
        return f'{self.looked:,} of {self.images:,} labels looked at'


def survey(parts: Sequence[Part], most: int, seconds: float, known: Known | None = None) -> Survey:
    """Look at up to ``most`` labels of the parts of one source, drawn with a fixed seed.

    Where fewer than two classes were met, the look goes on until there are, for as long as
    ``seconds`` allow: what is refused for it should be sure. Labels that are ``known`` all count
    beside those.
    """
    result = Survey(parts[0].source, parts[0].classes, sum(map(len, parts)))
    if any(part.reader is None for part in parts):
        result.blind = True
        return result
    end = time.monotonic() + seconds
    places = [(part, index) for part in parts for index in range(len(part))]
    result.reduced = bool(parts[0].info(0).get('reduce_zero_label'))
    if known:
        places = _without_known(places, known, result)
    order = iter(np.random.RandomState(0).permutation(len(places)))
    while True:
        chosen = [places[number] for number in islice(order, most)]
        for counts in _looked(chosen, end):
            if isinstance(counts, str):
                result.faults.append(counts)
            else:
                result.counts += counts
            result.looked += 1
        if not chosen or time.monotonic() > end or result.faults or len(result.met) > 1:
            return result


Place = tuple[Part, int]


def _without_known(places: Sequence[Place], known: Known, result: Survey) -> list[Place]:
    """Count the labels that are known, and return the others."""
    others = []
    for part, index in places:
        counts = known(part, part.info(index))
        if counts is None:
            others.append((part, index))
        else:
            result.counts += counts
            result.looked += 1
    return others


def _looked(places: Sequence[Place], end: float) -> Iterator[np.ndarray | str]:
    """Yield the counts of labels, or why one can't be trained on, until the time is over."""
    with threaded(_look, places, _THREADS) as results:
        for counts in results:
            yield counts
            if time.monotonic() > end:
                return


def _look(place: Place) -> np.ndarray | str:
    part, index = place
    info = part.info(index)
    assert part.reader
    try:
        return part.reader.look(info)
    except SamrsError as error:
        return f'{error}{hint(error, info, len(part.classes))}'


def hint(error: SamrsError, info: Mapping[str, Any], classes: int) -> str:
    """Return what may be behind a value that is no class, as the end of the message."""
    path = info['seg_map_path']
    if not isinstance(error, LabelReadError) or 'allowed are' not in str(error):
        return ''
    if path.lower().endswith(('.jpg', '.jpeg')):
        return '; a JPEG changes values, labels must be PNG or TIFF'
    if info.get('pack_path'):
        return ''
    try:
        values = np.unique(read_label(path)).tolist()
    except SamrsError:
        return ''
    highest = max((value for value in values if value != UNLABELLED), default=0)
    if highest == classes and not info.get('reduce_zero_label'):
        return '; if classes begin at 1 and 0 means no data, set reduce_zero_label=True'
    shown = ', '.join(map(str, values[:8])) + (', ...' if len(values) > 8 else '')
    return f'; this label holds {shown}: renumber its classes from 0'
