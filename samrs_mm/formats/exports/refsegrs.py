"""Phrases, images and binary masks in the layout of RefSegRS."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.grid import OBJECT
from samrs_mm.core.images import SceneImage
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.exports.base import INSTANCES, Export, in_one_folder
from samrs_mm.formats.exports.class_words import words
from samrs_mm.formats.exports.phrases import AMBIGUOUS, SAME, TINY, UNMASKED, Phrase, phrases_of
from samrs_mm.formats.labelled_image import LabelledImage

LIST = 'output_phrase_{}.txt'
SPLITS = 'train', 'val', 'test'
_SPELLED = {'valid': 'val', 'validation': 'val', 'training': 'train', 'testing': 'test'}
_KEPT = ('id', 'stem', 'split', 'phrase', 'template', 'pixels', 'boxes')
_DROPPED = ('stem', 'split', 'phrase', 'template', 'reason', 'boxes')
_COMPRESSION = 'tiff_lzw'

Converted = tuple[str, str, list[Phrase]]


def split_name(name: str) -> str:
    """Return the name that the layout has for a part of a dataset; images of none train."""
    return _SPELLED.get(name.lower(), name) or SPLITS[0]


class RefSegRSExport(Export):
    """``output_phrase_SPLIT.txt``, a line ``ID PHRASE`` each, ``images/ID.tif``, ``masks/ID.tif``.

    An ID is of a phrase and counts from 1 through all parts, so an image of several phrases is
    there several times: as one file and links to it (``images`` is ``'link'``), or copies.
    Images are 8-bit RGB, masks 8 bit of one band, 255 where the phrase's objects are, else 0, of
    the image's own size: readers that take what is above 0 and those that take what is above 50
    read the same. Masks are those before overlap. Phrases are those of ``phrases_of``.
    ``phrases.csv`` says what objects each is made of, ``dropped.csv`` what was dropped and why.
    Source of the layout: Yuan et al. 2023, arXiv:2306.08625, github.com/zhu-xlab/rrsis.
    """

    folders = ('masks',)
    unit = 'phrase'
    by_part = True
    own_images = True
    losses = {
        AMBIGUOUS: 'phrases dropped: of an object it is not clear whether they mean it',
        UNMASKED: 'phrases dropped: a box of theirs has no mask, so an object may be missing',
        SAME: 'phrases dropped: a simpler one has the same pixels',
        TINY: 'phrases dropped: next to no pixels',
    }
    unlabelled = 'is background, though a phrase may be true of unlabelled objects there'

    def __init__(self, out: Path, classes: Sequence[str], images: str = 'link'):
        super().__init__(out, classes)
        self.images = images
        self.lines: dict[str, list[str]] = {}
        self.kept: list[tuple] = []
        self.dropped: list[tuple] = []

    @classmethod
    def check_classes(cls, classes: Sequence[str]) -> None:
        """Raise RefusedError where classes can't be told apart in words."""
        if tuple(classes) == (OBJECT,):
            raise RefusedError(
                f'the only class is {OBJECT!r}: no phrase can be made of masks without classes'
            )
        first: dict[str, str] = {}
        for name in classes:
            if not (text := words(name)):
                raise RefusedError(f'class {name!r} has no letter to make a phrase of; rename it')
            if (other := first.setdefault(text, name)) != name:
                raise RefusedError(
                    f'classes {other!r} and {name!r} would both be called {text!r} in phrases; '
                    'give one another name in the labels'
                )

    @classmethod
    def arrange(cls, parts: dict[str, list[LabelledImage]]) -> dict[str, list[LabelledImage]]:
        """Return all images for one folder, which has a list of phrases for each part."""
        return in_one_folder(parts)

    def convert(self, image: LabelledImage, record: Record, file: str) -> tuple[Converted, Counter]:
        """Return the phrases of an image, and write its picture for ``collect`` to place."""
        phrases = phrases_of(record, self.classes)
        used = sum(not phrase.dropped for phrase in phrases)
        counts = Counter({INSTANCES: used})
        counts.update(phrase.dropped for phrase in phrases if phrase.dropped)
        if used and self.images != 'none':
            pixels = SceneImage(image.image).read()
            Image.fromarray(pixels).save(self._unplaced(image.stem), compression=_COMPRESSION)
        return (image.stem, split_name(image.split), phrases), counts

    def _unplaced(self, stem: str) -> Path:
        return self.out / 'images' / f'{stem}.unplaced.tif'

    def collect(self, converted: Converted) -> None:
        """Number the phrases of an image, write their masks and place its picture."""
        stem, split, phrases = converted
        lines = self.lines.setdefault(split, [])
        first: Path | None = None
        for phrase in phrases:
            boxes = ';'.join(box.box_id for box in phrase.boxes)
            if phrase.dropped:
                self.dropped.append(
                    (stem, split, phrase.text, phrase.template, phrase.dropped, boxes)
                )
                continue
            number = len(self.kept) + 1
            mask = phrase.mask()
            pixels = np.ascontiguousarray(masks.decode(mask)).view(np.uint8) * 255
            path = self.out / 'masks' / f'{number}.tif'
            Image.fromarray(pixels).save(path, compression=_COMPRESSION)
            if self.images != 'none':
                first = self._place(self.out / 'images' / f'{number}.tif', stem, first)
            area = masks.area(mask)
            lines.append(f'{number} {phrase.text}\n')
            self.kept.append((number, stem, split, phrase.text, phrase.template, area, boxes))

    def _place(self, target: Path, stem: str, first: Path | None) -> Path:
        """Make the picture of a phrase; return the first one of its image."""
        if first is None:
            os.replace(self._unplaced(stem), target)
            return target
        if self.images == 'copy':
            shutil.copyfile(first, target)
        else:
            target.symlink_to(first.name)
        return first

    def finish(self) -> None:
        """Write the lists of phrases and the two tables."""
        for split, lines in self.lines.items():
            (self.out / LIST.format(split)).write_bytes(''.join(lines).encode())
        for name, columns, rows in (
            ('phrases.csv', _KEPT, self.kept),
            ('dropped.csv', _DROPPED, self.dropped),
        ):
            with open(self.out / name, 'w', newline='', encoding='utf-8') as file:
                csv.writer(file, lineterminator='\n').writerows([columns, *rows])


def lacking(parts: dict[str, list[LabelledImage]]) -> dict[str, str]:
    """Return, by name, the parts that readers of the layout open and that there are none of."""
    there = {split_name(image.split) for images in parts.values() for image in images}
    cure = f'no {LIST}; give parts in the labels, or lists such as --list train.txt val.txt'
    return {name: cure.format(name) for name in SPLITS if name not in there}
