"""Small samples that are ready to be written, and what goes wrong with them."""

import errno
import os

import numpy as np

from samrs_mm.annotate.plan import Tile
from samrs_mm.annotate.writer import LabelMapWriter, Sample
from samrs_mm.core import masks
from samrs_mm.core.masks import Mask
from samrs_mm.core.prompts import PromptedBoxes, PromptSetting
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.annotated.record import Record


def made_sample(number: int, *found: Mask) -> Sample:
    polygon = np.array([[1.0, 1], [5, 1], [5, 5], [1, 5]])
    about = dict(path='a.png', scene='a', split=None, offset=[0, 0])
    record = Record.of_image(**about, width=8, height=8, sha256='', notes=[])
    record.boxes = [
        BoxEntry.new(
            number=i + 1, box_id=f'a.txt:{i + 1}', label=i, category='ship', prompt='rbox',
            polygon=polygon, scene_polygon=polygon, prompt_box=None, status='ok',
        )
        for i in range(len(found))
    ]  # fmt: skip
    chosen = list(range(len(found)))
    statuses = ['ok'] * len(found)
    prompted = PromptedBoxes(PromptSetting('rbox'), statuses, [''] * len(found), chosen, None)
    image = np.zeros((8, 8, 3), np.uint8)
    return Sample(Tile(number, f'a{number}', 0), record, image, [prompted], [found])


def mask(filled: bool = True, rows: int = 2) -> Mask:
    pixels = np.zeros((8, 8), bool)
    pixels[2 : 2 + rows, 2:5] = filled
    return Mask(masks.encode(pixels), 0.5)


class Deadly(LabelMapWriter):
    """Ends its process over one image, as the system does when memory runs out."""

    def __call__(self, sample: Sample) -> None:
        if sample.tile.stem == 'a1':
            os.kill(os.getpid(), 9)
        super().__call__(sample)


class Full(LabelMapWriter):
    """Meets a full disk."""

    def __call__(self, sample: Sample) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.out.root / 'disk'))
