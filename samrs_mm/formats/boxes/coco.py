"""COCO json files with boxes: H-Boxes (``bbox``), and R-Boxes where there are any."""

import json
from array import array
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from samrs_mm.core.boxes import BoxLabel
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.labels import ParsedLabels
from samrs_mm.formats.coco import IdColumn, read_coco

_NOWHERE = -1


class CocoIndex:
    """The boxes of a COCO file by image, in flat arrays: some 150 bytes a box.

    Made by ``parse_coco``.

    Attributes:
        file: Name in box ids, relative to the data root.
        file_names: File name of each image, in the file's order.
        unplaced: Problems of the annotations that belong to no image of the file.
    """

    def __init__(self, file: str, images: dict, categories: dict, columns: '_Columns'):
        self.file = file
        self.file_names: list[str] = list(images.values())
        self.unplaced = ParsedLabels()
        self._categories = list(categories.values())
        self._columns = columns
        # Only now, because annotations may stand before images and categories in the file.
        image_of_row = columns.resolve(images, categories)
        for row in np.flatnonzero(image_of_row == _NOWHERE).tolist():
            self.unplaced.add_problem(self._box_id(row), columns.messages[row])
        self._order = np.argsort(image_of_row, kind='stable')
        self._starts = np.searchsorted(image_of_row[self._order], np.arange(len(images) + 1))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.file_names)

    def labels(self, image: int) -> ParsedLabels:
        """Return the boxes and problems of an image, in the file's order.

        Args:
            image: Position in ``file_names``.

        Returns:
            Boxes with ``hbox`` (from ``bbox``) or ``polygon`` or both set.
        """
        labels = ParsedLabels()
        for row in self._rows(image):
            box_id = self._box_id(row)
            if row in self._columns.messages:
                labels.add_problem(box_id, self._columns.messages[row])
                continue
            category = self._categories[self._columns.categories[row]]
            hbox, polygon = self._columns.hbox(row), self._columns.polygon(row)
            labels.boxes.append(BoxLabel(box_id, category, hbox, polygon))
        return labels

    def segmentations(self, image: int) -> dict[str, Any]:
        """Return the ground truth of an image, where ``parse_coco`` was asked to keep it.

        Args:
            image: Position in ``file_names``.

        Returns:
            ``segmentation`` as in the file (polygons, or RLE) by box id.
        """
        kept = self._columns.segmentations
        return {self._box_id(r): json.loads(kept[r]) for r in self._rows(image) if r in kept}

    def _rows(self, image: int) -> Iterable[int]:
        return self._order[self._starts[image] : self._starts[image + 1]].tolist()

    def _box_id(self, row: int) -> str:
        return f'{self.file}:annotations[{row}]'


def parse_coco(file: BinaryIO, name: str, with_segmentations: bool = False) -> CocoIndex:
    """Read a COCO json file.

    ``rbox`` (8 numbers) gives the R-Box, else a ``segmentation`` that is one polygon of 4 points;
    any other ``segmentation`` is ground truth only. Crowd annotations are boxes like others, but
    their region is no object's true mask.

    Args:
        file: Open binary file.
        name: Name for box ids, relative to the data root.
        with_segmentations: Keep all ``segmentation`` entries for ``CocoIndex.segmentations``.

    Raises:
        LabelReadError: As in ``read_coco``; or images or categories are not what they should be,
            or two images share an id or a file name.
    """
    columns = _Columns()
    lists: dict[str, list] = dict(images=[], categories=[])
    for key, _, entry in read_coco(file, name):
        if key == 'annotations':
            columns.append(entry, with_segmentations)
        else:
            lists[key].append(entry)
    images = _table(lists['images'], f'{name}: images', 'file_name')
    _refuse_twins(images, name)
    categories = _table(lists['categories'], f'{name}: categories', 'name')
    return CocoIndex(name, images, categories, columns)


def _table(entries: list, place: str, text_key: str) -> dict[Any, str]:
    """Return ``{id: name}`` of images or categories, in the file's order."""
    table = {}
    for number, entry in enumerate(entries):
        name = entry.get(text_key) if isinstance(entry, dict) else None
        key = entry.get('id') if isinstance(entry, dict) else None
        if not _is_id(key) or not isinstance(name, str) or not name:
            raise LabelReadError(
                f'{place}[{number}] is {_short(entry)}; allowed: an object with id and {text_key}'
            )
        if key in table:
            raise LabelReadError(f'{place}[{number}]: id {key!r} is there twice')
        table[key] = name
    return table


def _refuse_twins(images: dict[Any, str], file: str) -> None:
    first: dict[str, Any] = {}
    for key, name in images.items():
        if first.setdefault(name, key) != key:
            raise LabelReadError(
                f'{file}: images {first[name]!r} and {key!r} have the same file_name {name!r}'
            )


class _Columns:
    """Annotations as columns; a row is a position in the file's list."""

    def __init__(self):
        self.categories = np.zeros(0, np.int64)
        self.messages: dict[int, str] = {}
        self.segmentations: dict[int, str] = {}
        self._images, self._labels = IdColumn(), IdColumn()
        self._hboxes, self._polygons = array('d'), array('d')
        self._hbox_at, self._polygon_at = array('q'), array('q')

    def append(self, entry: Any, with_segmentation: bool) -> None:
        """Take one annotation as it stands in the file; what is wrong with it becomes a message."""
        row = len(self._images)
        fields = entry if isinstance(entry, dict) else {}
        image, category = fields.get('image_id'), fields.get('category_id')
        try:
            hbox, polygon = _annotation(entry)
        except _BadEntryError as error:
            self.messages[row] = str(error)
            hbox = polygon = None
        # An unhashable id can't be looked up; its annotation has a message already.
        self._images.append(image if _is_id(image) else None)
        self._labels.append(category if _is_id(category) else None)
        self._hbox_at.append(_store(self._hboxes, hbox))
        self._polygon_at.append(_store(self._polygons, polygon))
        # A crowd's region is that of many objects.
        truth = None if fields.get('iscrowd') else fields.get('segmentation')
        if with_segmentation and row not in self.messages and truth:
            self.segmentations[row] = json.dumps(truth)

    def resolve(self, images: dict, categories: dict) -> np.ndarray:
        """Look all ids up, and note the unknown ones.

        Returns:
            Position in ``images`` of each row, int64, or ``_NOWHERE``.
        """
        image_of_row = self._images.places({key: row for row, key in enumerate(images)})
        self.categories = self._labels.places({key: row for row, key in enumerate(categories)})
        for key, ids, places in (
            ('image', self._images, image_of_row),
            ('category', self._labels, self.categories),
        ):
            among = 'images' if key == 'image' else 'categories'
            for row in np.flatnonzero(places == _NOWHERE).tolist():
                message = f'{key}_id {_short(ids[row])} is not among the {among}'
                self.messages.setdefault(row, message)
        return image_of_row

    def hbox(self, row: int) -> np.ndarray | None:
        """Return ``(4,)`` x0, y0, x1, y1, or None."""
        at = self._hbox_at[row]
        return None if at == _NOWHERE else np.array(self._hboxes[at : at + 4])

    def polygon(self, row: int) -> np.ndarray | None:
        """Return ``(4, 2)`` corners, or None."""
        at = self._polygon_at[row]
        return None if at == _NOWHERE else np.array(self._polygons[at : at + 8]).reshape(4, 2)


def _store(column: array, values: list[float] | None) -> int:
    if values is None:
        return _NOWHERE
    column.extend(values)
    return len(column) - len(values)


class _BadEntryError(Exception):
    """An annotation that can't be read as a box; the message says why."""


def _annotation(entry: Any) -> tuple[list[float] | None, list[float] | None]:
    """Return the H-Box ``[x0, y0, x1, y1]`` and the corners (8 numbers) of an annotation."""
    if not isinstance(entry, dict):
        raise _BadEntryError(f'{_short(entry)} is not an object')
    for key in ('image_id', 'category_id'):
        if not _is_id(entry.get(key)):
            raise _BadEntryError(
                f'{key} is {_short(entry.get(key))}; allowed: a whole number or text'
            )
    hbox, polygon = entry.get('bbox'), entry.get('rbox')
    if hbox is not None:
        x, y, width, height = _numbers(hbox, 4, 'bbox', 'x, y, width, height')
        hbox = [x, y, x + width, y + height]
    if polygon is not None:
        polygon = _numbers(polygon, 8, 'rbox', 'x1, y1, ... x4, y4')
    else:
        polygon = _four_points(entry.get('segmentation'))
    if hbox is None and polygon is None:
        raise _BadEntryError('no bbox, no rbox and no segmentation of 4 points')
    return hbox, polygon


def _four_points(segmentation: Any) -> list[float] | None:
    """Return the 8 numbers of a segmentation that is one 4-point polygon (closed or not)."""
    if not isinstance(segmentation, list) or len(segmentation) != 1:
        return None
    ring = segmentation[0]
    if isinstance(ring, list) and len(ring) == 10 and ring[8:] == ring[:2]:
        ring = ring[:8]
    if not isinstance(ring, list) or len(ring) != 8:
        return None
    return _numbers(ring, 8, 'segmentation', 'x1, y1, ... x4, y4')


def _numbers(values: Any, count: int, key: str, meaning: str) -> list[float]:
    if not isinstance(values, list) or len(values) != count:
        raise _BadEntryError(f'{key} is {_short(values)}; allowed: {count} numbers {meaning}')
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _BadEntryError(f'{key} holds {_short(value)}, not a number')
    try:
        return [float(value) for value in values]
    except OverflowError:
        raise _BadEntryError(f'{key} holds a number beyond 1e308') from None


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + '...'
