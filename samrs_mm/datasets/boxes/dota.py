"""DOTA v1.0, v1.5 and v2.0, and any folder in DOTA's format."""

import re

import numpy as np

from samrs_mm.core.boxes import (
    GUESSED,
    BadBoxError,
    BoxLabel,
    ParsedLabels,
    lines_of,
    read_boxes,
    to_float,
)
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import as_there
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene, pair_scenes
from samrs_mm.datasets.boxes.label_files import guessed, read_text
from samrs_mm.registry import BOX_DATASETS

_COLUMNS = 'x1 y1 x2 y2 x3 y3 x4 y4 category [difficult]'
_NUMBER = re.compile(r'[-+]?\d*\.?\d+')
_DIFFICULT = ('0', '1', '2')
"""2 is what DOTA's devkit gives to boxes that it cuts."""
_HEADER = re.compile(r'(imagesource|gsd)(:|\s|$)', re.IGNORECASE)


@BOX_DATASETS.register_module()
class DOTABoxDataset(BoxDataset):
    """DOTA: aerial images of 800 to 20,000 px a side, RGB or grey, with R-Boxes.

    Layout: ``images/*.png`` and ``labelTxt/*.txt``, or the same inside ``train/`` and ``val/``.
    Classes: 15 (v1.0), 16 (v1.5) or 18 (v2.0).
    Labels: a line is ``x1 y1 x2 y2 x3 y3 x4 y4 category [difficult]``, in OBB and HBB files;
    corners run clockwise, up to one pixel beyond the border; ``difficult`` is kept as a flag (1, or
    2 of a part that DOTA's devkit cut). Files of v1.x begin with the two lines
    ``imagesource:`` and ``gsd:``, those of v2.0 have no header.
    Source: https://captain-whu.github.io/DOTA; Xia et al. 2018, arXiv:1711.10398; v2.0: Ding et al.
    2021, arXiv:2102.12219.

    Args:
        images: Name of the image folder.
        labels: Name of the label folder; OBB or HBB files.
        splits: Sub-folders looked at where the root itself holds no image folder.
    """

    layout = (
        'images/*.png and labelTxt/*.txt, or train/ and val/ with the same inside, or images and '
        'labels side by side'
    )

    def __init__(
        self,
        data_root: str,
        classes: ClassNames = None,
        images: str = 'images',
        labels: str = 'labelTxt',
        splits: tuple[str, ...] = ('train', 'val'),
    ):
        self.images, self.label_folder, self.splits = images, labels, splits
        super().__init__(data_root, classes)

    def index(self) -> list[Scene]:
        """Return the scenes of the root, or of its parts; note which parts are not taken."""
        if (self.root / as_there(self.root, self.images)).is_dir():
            return pair_scenes(self.root, self.images, self.label_folder, '.txt')
        if not any((self.root / as_there(self.root, split)).is_dir() for split in self.splits):
            if others := self._others():
                raise RefusedError(
                    f'{self.root}: no {" or ".join((self.images, *self.splits))} there, but '
                    f'{", ".join(others)}; give --cfg-options dataset.splits=[{",".join(others)}]'
                )
            return pair_scenes(self.root, '.', '.', '.txt')
        scenes = []
        for split in self.splits:
            folders = f'{split}/{self.images}', f'{split}/{self.label_folder}'
            scenes += pair_scenes(self.root, *folders, '.txt', split=split)
        if others := self._others():
            self.label_notes = [
                f'{", ".join(others)} not taken, which holds images and labels, too; --cfg-options '
                f'dataset.splits=[{",".join((*self.splits, *others))}] takes it'
            ]
        return scenes

    def _others(self) -> list[str]:
        """Return the folders of the root that hold images and labels and are none of the splits."""
        taken = {as_there(self.root, split) for split in self.splits}
        return sorted(
            path.name
            for path in self.root.iterdir()
            if path.name not in taken
            and (path / as_there(path, self.images)).is_dir()
            and (path / as_there(path, self.label_folder)).is_dir()
        )

    def parse(self, scene: Scene) -> ParsedLabels:
        """Read the scene's label file."""
        assert scene.label is not None
        path = self.root / scene.label
        labels = parse_dota(read_text(path), scene.label)
        if not all(box.category.isascii() for box in labels.boxes) and guessed(path):
            labels.notes.append(GUESSED)
        return labels


def parse_dota(text: str, file: str) -> ParsedLabels:
    """Read the text of one DOTA label file, called ``file`` in box ids.

    LF or CRLF, with or without header. Class names may hold blanks (``oil tank``), but no numbers
    of their own: a number at the end is the difficulty, 0 to 2. Coordinates are kept as written,
    also outside the image, also NaN: the status of such a box is decided where the image size is
    known.
    """
    lines = lines_of(text, file)
    return read_boxes((line for line in lines if not _HEADER.match(line[1])), _box)


def _box(box_id: str, line: str) -> BoxLabel:
    columns = line.split()
    if len(columns) < 9:
        commas = ', separated by blanks, not by commas' if line.count(',') >= 8 else ''
        raise BadBoxError(
            f'{len(columns)} columns in {line[:80]!r}; a DOTA line has 9 or 10: {_COLUMNS}{commas}'
        )
    values = [to_float(text, f'coordinate {text!r} is not a number') for text in columns[:8]]
    *words, last = columns[8:]
    difficult = last.removesuffix('.0') if words and _NUMBER.fullmatch(last) else '0'
    if difficult not in _DIFFICULT or any(map(_NUMBER.fullmatch, words[1:])):
        raise BadBoxError(
            f'{" ".join(columns[8:])[:80]!r} after the coordinates; a DOTA line is {_COLUMNS}, '
            f'difficult one of {", ".join(_DIFFICULT)}; join the words of a category by -'
        )
    category = ' '.join(words if words and _NUMBER.fullmatch(last) else columns[8:])
    flags = {'difficult': int(difficult)} if difficult != '0' else {}
    return BoxLabel(box_id, category, polygon=np.array(values).reshape(4, 2), flags=flags)
