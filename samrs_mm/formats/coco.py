"""COCO files: one reader and one writer, neither of which holds the annotations in memory.

Source of the format: https://cocodataset.org/#format-data.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from samrs_mm.core.atomic import dump
from samrs_mm.core.boxes import IGNORED
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.annotated.entries import REGIONS, BoxEntry
from samrs_mm.formats.json_stream import JsonStream

LISTS = ('images', 'annotations', 'categories')


def read_coco(
    file: BinaryIO, name: str, lists: Sequence[str] = LISTS
) -> Iterator[tuple[str, int, Any]]:
    """Yield the entries of some lists of a COCO file, called ``name``, in the file's order.

    Each with the name of its list and the position in it, from 0; it may be any JSON value.

    Raises:
        LabelReadError: Not JSON, not an object, or a list is missing, no list, or there twice.
    """
    try:
        stream = JsonStream(file)
        yield from _entries(stream, name, lists)
    except json.JSONDecodeError as error:
        place = f'{name}:{stream.place(error)}'
        raise LabelReadError(f'{place}: malformed JSON: {error.msg}; is it whole?') from error
    except (RecursionError, ValueError) as error:
        raise LabelReadError(f'{name}: malformed JSON: {error}') from error


def _entries(stream: JsonStream, name: str, lists: Sequence[str]) -> Iterator[tuple[str, int, Any]]:
    if stream.peek() != '{':
        found = 'starts with ' + repr(stream.peek()) if stream.peek() else 'is empty'
        raise LabelReadError(
            f'{name}:1:1: malformed JSON: the file {found}; a COCO file is an object with the '
            f'lists {", ".join(lists)}'
        )
    missing = list(lists)
    for key in stream.members():
        if key not in lists:
            stream.value()
            continue
        if key not in missing:
            raise LabelReadError(f'{name}: the list {key!r} is there twice; merge the two')
        if stream.peek() != '[':
            raise LabelReadError(f'{name}: {key!r} is not a list')
        missing.remove(key)
        for number, entry in enumerate(stream.items()):
            yield key, number, entry
    stream.end()
    if missing:
        raise LabelReadError(f'{name}: the list {missing[0]!r} is missing from the COCO file')


def places_of(ids: Iterable, table: Iterable) -> np.ndarray:
    """Return the place of each id in a table, ``(N,)`` int64, -1 where it isn't there."""
    places = {key: place for place, key in enumerate(table)}
    return np.array([places.get(key, -1) for key in ids], np.int64)


def coco_annotation(box: BoxEntry) -> dict:
    """Return a kept box or a region as an annotation, without its ids.

    Beside COCO's own keys it has ``score``, ``box_id`` and ``rbox`` (the labelled box, 8 numbers),
    and the box's flags, as ``difficult``. ``iscrowd`` is 0 although masks are RLE: each is one
    object. It is 1 for crowds and ignored regions; the latter have ``ignore`` 1 as well, which most
    readers do not know.
    """
    ignored = {'ignore': 1} if box.status == IGNORED else {}
    return dict(
        category_id=box.category_id,
        bbox=box.bbox,
        area=box.area,
        segmentation=box.segmentation,
        iscrowd=int(box.status in REGIONS),
        score=box.score,
        box_id=box.box_id,
        rbox=[value for point in box.polygon for value in point],
        **ignored,
        **box.flags,
    )


def coco_categories(classes: Sequence[str], ids: Sequence[int] | None = None) -> list[dict]:
    """Return the categories of class names: ``id`` is the pixel value plus 1, unless given."""
    numbers = ids or range(1, len(classes) + 1)
    return [dict(id=number, name=name) for number, name in zip(numbers, classes, strict=True)]


def coco_head(description: str) -> dict[str, Any]:
    """Return ``info`` and ``licenses``, which pycocotools 2.0.9 and 2.0.10 score no file without.

    No date and no version, so that the same data give the same bytes.
    """
    return dict(info=dict(description=f'{description}, written by samrs_mm'), licenses=[])


class CocoWriter:
    """Writes a COCO file image by image; of the annotations none stays in memory.

    Whoever opened the file closes it. ``images`` are those so far, ``count`` is the number of
    annotations so far; their ids count from 1. Without ``category_ids`` those of the classes do,
    too; else the ``category_id`` of what is added stays 1, 2, 3 ... and is translated.
    """

    def __init__(
        self, file: BinaryIO, classes: Sequence[str], category_ids: Sequence[int] | None = None
    ):
        self._file = file
        self._categories = coco_categories(classes, category_ids)
        self.images: list[dict] = []
        self.count = 0
        file.write(b'{"annotations":[')

    def add(self, image: dict, annotations: Iterable[dict]) -> None:
        """Write the annotations of an image, whose ``id`` and ``image_id`` come first."""
        self.images.append(image)
        for annotation in annotations:
            self._file.write(b',\n' if self.count else b'\n')
            self.count += 1
            entry = dict(id=self.count, image_id=image['id'], **annotation)
            entry['category_id'] = self._categories[entry['category_id'] - 1]['id']
            self._file.write(json.dumps(entry, separators=(',', ':')).encode())

    def finish(self) -> None:
        """Write categories and images; without it the file is no JSON."""
        rest = dict(categories=self._categories, images=self.images) | coco_head('masks of boxes')
        self._file.write(b'\n],' + dump(rest)[1:])
