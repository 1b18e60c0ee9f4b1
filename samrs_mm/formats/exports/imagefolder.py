"""Images with a line of JSON each, as the libraries of Hugging Face read folders of images."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.annotated.entries import HELD, REGIONS, BoxEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.exports.base import INSTANCES, Export
from samrs_mm.formats.labelled_image import LabelledImage

FILE = 'metadata.jsonl'
UNSCORED = -1.0
"""Score of a mask that has none: a column of nothing but null has no type."""
_SEMANTIC = 'semantic'
_WORDS = {
    'train': ('train', 'training'),
    'validation': ('validation', 'valid', 'dev', 'val'),
    'test': ('test', 'testing', 'eval', 'evaluation'),
}
"""Words in the names of folders by which the library knows parts of a dataset."""
_KEYS = (
    'bbox', 'categories', 'names', 'area', 'score', 'iscrowd', 'flags', 'box_id', 'segmentation',
)  # fmt: skip


class ImageFolderExport(Export):
    """``metadata.jsonl``: a line of JSON for each image, and its label map in ``semantic/``.

    ``datasets.load_dataset('imagefolder', data_dir=OUT)`` gives columns ``image``, ``semantic``
    (class indices, 255 where no mask is), ``stem``, ``scene``, ``width``, ``height``, and
    ``objects``: lists of the same length, ``bbox`` (x, y, width, height of the mask in pixels),
    ``categories`` (class indices), ``names``, ``area``, ``score`` (-1 where there is none),
    ``iscrowd`` (1 for crowds and ignored regions), ``flags``, ``box_id``, and ``segmentation``
    (COCO RLE with text counts, before overlap). Images without any object come last: the library
    takes types from the first lines.
    Source of the format: https://huggingface.co/docs/datasets/image_dataset#imagefolder.
    """

    folders = (_SEMANTIC,)
    holds = (*HELD, *REGIONS)
    by_part = True
    unlabelled = f'stays 255 in {_SEMANTIC}/'

    def __init__(self, out: Path, classes: Sequence[str]):
        super().__init__(out, classes)
        self.lines: list[tuple[bool, str]] = []

    @classmethod
    def arrange(cls, parts: dict[str, list[LabelledImage]]) -> dict[str, list[LabelledImage]]:
        """Return parts by names that the library knows; what is of no part trains.

        Raises:
            RefusedError: A name that it doesn't know, or knows as two parts: images would be lost,
                or there twice. Or a part without any mask beside others: it loads none of them.
        """
        parts = {name or 'train': images for name, images in parts.items()}
        for name, images in parts.items():
            if sum(any(_has(name, word) for word in words) for words in _WORDS.values()) != 1:
                raise RefusedError(
                    f'part {name!r}: datasets knows the folders {", ".join(_WORDS)}; give lists of '
                    'such names (--list train.txt), or --split none'
                )
            if len(parts) > 1 and all(image.labelled == 0 for image in images):
                raise RefusedError(
                    f'part {name!r} has no mask: datasets then loads none of the parts, for lists '
                    'without a value have no type; give other lists, or --split none'
                )
        return parts

    def convert(
        self, image: LabelledImage, record: Record, file: str
    ) -> tuple[tuple[bool, str], Counter]:
        """Copy the label map of an image; return whether it is without objects, and its line."""
        label = f'{_SEMANTIC}/{image.stem}.png'
        shutil.copyfile(image.label, self.out / label)
        objects = [_of(box) for box in record.annotated]
        line = dict(
            file_name=file,
            semantic_file_name=label,
            stem=image.stem,
            scene=image.scene,
            width=record.image.width,
            height=record.image.height,
            objects={key: [each[key] for each in objects] for key in _KEYS},
        )
        text = json.dumps(line, ensure_ascii=False, allow_nan=False)
        return (not objects, f'{text}\n'), Counter({INSTANCES: len(record.kept)})

    def collect(self, converted: tuple[bool, str]) -> None:
        """Take the line of an image."""
        self.lines.append(converted)

    def finish(self) -> None:
        """Write the lines of all images."""
        lines = [line for _, line in sorted(self.lines, key=lambda each: each[0])]
        (self.out / FILE).write_bytes(''.join(lines).encode())


def _has(name: str, word: str) -> bool:
    """Return whether a word stands in a folder's name apart from other letters."""
    return re.search(rf'(?:^|[-._ 0-9]){word}(?:[-._ 0-9]|$)', name) is not None


def _of(box: BoxEntry) -> dict[str, Any]:
    return dict(
        bbox=box.bbox,
        categories=box.label,
        names=box.category,
        area=box.area,
        score=UNSCORED if box.score is None else float(box.score),
        iscrowd=int(box.status in REGIONS),
        flags=box.marks,
        box_id=box.box_id,
        segmentation=dict(size=list(box.mask['size']), counts=box.mask['counts']),
    )
