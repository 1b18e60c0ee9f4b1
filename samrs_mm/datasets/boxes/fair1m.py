"""FAIR1M-1.0 and 2.0."""

import numpy as np

from samrs_mm.core.boxes import BoxLabel
from samrs_mm.datasets.boxes.base import BoxDataset, Scene, pair_scenes, read_bytes
from samrs_mm.formats.boxes.labels import ParsedLabels
from samrs_mm.formats.boxes.xml_tree import (
    BadElementError,
    Element,
    number,
    read_boxes,
    read_xml,
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

    Args:
        data_root: Folder of the dataset.
        classes: As in ``BoxDataset``.
    """

    layout = 'train/part1/, train/part2/ and validation/, each with images/*.tif and labelXml/*.xml'

    def index(self) -> list[Scene]:
        """Return the scenes of all parts that are there."""
        scenes = []
        for part, (prefix, split) in _PARTS.items():
            found = [name for name in _LABEL_FOLDERS if (self.root / part / name).is_dir()]
            labels = f'{part}/{(found or _LABEL_FOLDERS)[0]}'
            scenes += pair_scenes(self.root, f'{part}/images', labels, '.xml', prefix, split)
        return sorted(scenes, key=lambda scene: scene.stem)

    def parse(self, scene: Scene) -> ParsedLabels:
        """Read the scene's label file."""
        return parse_fair1m(read_bytes(self.root / scene.label), scene.label)


def parse_fair1m(data: bytes, file: str) -> ParsedLabels:
    """Read one FAIR1M label file.

    Args:
        data: The file's bytes.
        file: Name for box ids, relative to the data root.

    Returns:
        Boxes with ``polygon`` set (the start corner is arbitrary; zero-area ones are kept), and
        one problem for each object that can't be read.

    Raises:
        LabelReadError: The file as a whole can't be read.
    """
    root = read_xml(data, file, 'annotation')
    groups = [root, *root.all('objects')]
    return read_boxes((obj for group in groups for obj in group.all('object')), file, _box)


def _box(element: Element, box_id: str) -> BoxLabel:
    category = element.require_text('possibleresult', 'name')
    points = element.first('points')
    ring = np.array([_point(point.text) for point in points.all('point')] if points else [])
    if len(ring) not in (4, 5):
        raise BadElementError(f'{len(ring)} points; allowed: 4 corners, or 5 with the first again')
    if len(ring) == 5 and np.abs(ring[4] - ring[0]).max() > _CLOSED_WITHIN:
        raise BadElementError('5 points, but the last does not repeat the first')
    return BoxLabel(box_id, category, polygon=ring[:4])


def _point(text: str) -> list[float]:
    parts = text.split(',')
    if len(parts) != 2:
        raise BadElementError(f'<point> is {text[:60]!r}; allowed: x,y')
    return [number(part.strip(), 'point') for part in parts]
