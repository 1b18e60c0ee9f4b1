"""The layout of the SAMRS release."""

import pickle
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core.boxes import bounding_boxes
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.images import SceneImage, write_png
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.exports.base import FLAGS, INSTANCES, Export
from samrs_mm.formats.labelled_image import LabelledImage


class SAMRSExport(Export):
    """``gray/STEM.png``, ``color/STEM.png`` and ``ins/STEM.pkl``, as in the SAMRS release.

    ``gray`` holds class indices and 255, ``color`` the palette's colours and white, ``ins`` a list
    with one dict for each instance: ``mask`` (COCO RLE, text counts), ``category``, ``label``
    (class index), ``size`` (pixels), and the box in pixels, unclipped: ``bbox`` (x0, y0, x1, y1),
    or ``rbox`` (four corners) and ``rhbox`` around it where masks were made from R-Boxes.

    Unlike the release, every image has all three files, ``category`` is always the name of
    ``label``, and no mask is empty. ``palette`` is RGB by class index.
    """

    folders = ('gray', 'color', 'ins')
    losses = {FLAGS: 'objects with flags such as difficult, which it has no place for'}
    unlabelled = 'stays 255 in gray/, white in color/'

    def __init__(self, out: Path, classes: Sequence[str], palette: Sequence[Sequence[int]]):
        super().__init__(out, classes)
        self.colours = np.full((UNLABELLED + 1, 3), 255, np.uint8)  # white
        self.colours[: len(palette)] = palette

    def convert(self, image: LabelledImage, record: Record, file: str) -> tuple[None, Counter]:
        """Write the three files of an image."""
        labels = SceneImage(image.label, stored=True).read()[..., 0]
        shutil.copyfile(image.label, self.out / 'gray' / f'{image.stem}.png')
        write_png(self.out / 'color' / f'{image.stem}.png', self.colours[labels])
        instances = [self._instance(box) for box in record.kept]
        data = pickle.dumps(instances, protocol=4)
        (self.out / 'ins' / f'{image.stem}.pkl').write_bytes(data)
        flagged = sum(bool(box.flags) for box in record.kept)
        return None, Counter({INSTANCES: len(instances), FLAGS: flagged})

    def _instance(self, box: BoxEntry) -> dict[str, Any]:
        around = bounding_boxes(box.corners[None])[0]
        oriented = box.prompt.removeprefix('cp+').startswith('r')
        shape = dict(rbox=box.corners, rhbox=around) if oriented else dict(bbox=around)
        mask = dict(size=list(box.mask['size']), counts=box.mask['counts'])
        category = self.classes[box.label]
        return dict(mask=mask, **shape, category=category, label=box.label, size=box.area)
