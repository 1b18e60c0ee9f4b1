"""FAIR1M-1.0 and 2.0."""

import numpy as np

from samrs_mm.core.boxes import BadBoxError, BoxLabel, ParsedLabels
from samrs_mm.core.found_files import as_there
from samrs_mm.datasets.boxes.base import BoxDataset, Scene, pair_scenes
from samrs_mm.formats.boxes.xml_tree import (
    Element,
    marks_of,
    read_labels,
    require_text,
    text_of,
    to_number,
)
from samrs_mm.registry import BOX_DATASETS

# folder: (prefix of the stems, split)
_PARTS = {
    'train/part1': ('train_', 'train'),
    'train/part2': ('train_', 'train'),
    'train': ('train_', 'train'),
    'validation': ('valid_', 'val'),
    'data': ('train_', 'train'),
}
_LABEL_FOLDERS = ('labelXml', 'labelXmls')

_CLOSED_WITHIN = 1.0
"""Pixels by which the fifth point of a ring may miss the first, which it repeats."""


@BOX_DATASETS.register_module()
class FAIR1MBoxDataset(BoxDataset):
    """FAIR1M: satellite images with R-Boxes of fine-grained classes.

    Layout: ``images/*.tif`` and ``labelXml/*.xml`` in each of ``train/part1``, ``train/part2`` and
    ``validation``. These number their images alike, so stems get ``train_`` and ``valid_``, as in
    SAMRS. The first, small release (``data/images``, ``data/labelXmls``) is read as well; the test
    set has no public labels.
    Classes: 37.
    Labels: XML with a closed ring of five points for each object.
    Source: Sun et al. 2022, arXiv:2103.05569.
    """

    layout = 'train/part1/, train/part2/ and validation/, each with images/*.tif and labelXml/*.xml'

    def index(self) -> list[Scene]:
        """Return the scenes of all parts that are there."""
        scenes = []
        for part, (prefix, split) in _PARTS.items():
            places = [as_there(self.root, f'{part}/{name}') for name in _LABEL_FOLDERS]
            labels = next((p for p in places if (self.root / p).is_dir()), places[0])
            scenes += pair_scenes(self.root, f'{part}/images', labels, '.xml', prefix, split)
        return scenes

    def parse(self, scene: Scene) -> ParsedLabels:
        """Read the scene's label file."""
        return parse_fair1m(*self.read(scene))


def parse_fair1m(data: bytes, file: str) -> ParsedLabels:
    """Read one FAIR1M label file, called ``file`` in box ids.

    The start corner of a polygon is arbitrary; those without area are kept.

    Raises:
        LabelReadError: The file as a whole can't be read.
    """
    return read_labels(data, file, 'annotation', ('object', 'objects/object'), _box)


def _box(box_id: str, element: Element) -> BoxLabel:
    category = require_text(element, 'possibleresult/name')
    points = element.find('points')
    ring = np.array(
        [] if points is None else [_point(text_of(p)) for p in points.iterfind('point')]
    )
    if len(ring) not in (4, 5):
        raise BadBoxError(f'{len(ring)} points; allowed: 4 corners, or 5 with the first again')
    if len(ring) == 5 and np.abs(ring[4] - ring[0]).max() > _CLOSED_WITHIN:
        raise BadBoxError('5 points, but the last does not repeat the first')
    return BoxLabel(box_id, category, polygon=ring[:4], **marks_of(element))


def _point(text: str) -> list[float]:
    parts = text.split(',')
    if len(parts) != 2:
        raise BadBoxError(f'<point> is {text[:60]!r}; allowed: x,y')
    return [to_number('point', part.strip()) for part in parts]
