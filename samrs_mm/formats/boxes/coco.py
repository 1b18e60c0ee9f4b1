"""COCO json files with boxes: H-Boxes (``bbox``), and R-Boxes where there are any."""

import json
from array import array
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from samrs_mm.core.boxes import (
    MALFORMED,
    MISFIT,
    BadBoxError,
    BoxLabel,
    LabelProblem,
    ParsedLabels,
    stated_size,
)
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.label_lists import PARTS
from samrs_mm.formats.boxes.marks import (
    around_region,
    degrees_of,
    flags_of,
    region_of,
    turned,
)
from samrs_mm.formats.boxes.shapes import short
from samrs_mm.formats.coco import places_of, read_coco

LEFT_OUT = 'left_out'
"""Key of an image's entry: what ``boxes_to_coco.py`` found in its label file and could not take, a
list of ``box_id``, ``reason`` and ``status``."""

_NOWHERE = -1
_LONGEST_SIDE = 1 << 31
_LONGEST_PLACE = 1000
"""Characters of a ``box_id``."""
_FRACTION = 2.0
"""What x0, y0, x1, y1 stay below if x, y, width and height are all within 0..1."""


class CocoIndex:
    """The boxes of a COCO file by image, in flat arrays: some 150 bytes a box.

    Made by ``parse_coco``. A row is a position in the file's list of annotations.
    """

    def __init__(self, file: str):
        self.file = file
        self.file_names: list[str] = []
        """File name of each image, in the file's order."""
        self.sizes: list[tuple[int, int] | None] = []
        """Width and height of each image in pixels, where the file states them."""
        self.parts: list[str | None] = []
        """The part of the dataset (``split``) that each image is of, where the file says it."""
        self.categories: dict[Any, str] = {}
        """Names of the categories by id, in the file's order."""
        self.headings: set[Any] = set()
        """Ids of categories that are the supercategory of all others, of none, and have no box."""
        self.partial: dict[int, str] = {}
        """Notes on images that hold more objects than are labelled, by their position."""
        self.unplaced = ParsedLabels()
        """Problems of the annotations that belong to no image of the file."""
        self.left_out: dict[int, list[LabelProblem]] = {}
        """Boxes that the file was made without, by the position of their image."""
        self._messages: dict[int, str] = {}
        self._segmentations: dict[int, str] = {}
        self._more: dict[int, dict[str, Any]] = {}
        self._given: dict[int, str] = {}
        self._places: set[str] = set()
        # of each row; what the ids mean is looked up at the end
        self._image_ids: list[Any] = []
        self._category_ids: list[Any] = []
        self._hboxes, self._polygons = array('d'), array('d')
        self._has_hbox, self._has_polygon = array('b'), array('b')
        self._rle_sizes = array('l')  # width and height; 0, 0 where there is no RLE
        self._notes: dict[int, tuple[str, ...]] = {}
        self._known: dict[Any, Any] = {}

    def append(self, entry: Any, with_segmentation: bool) -> None:
        """Take one annotation as it stands in the file; what is wrong with it becomes a message."""
        row = len(self._image_ids)
        hbox = polygon = None
        try:
            hbox, polygon, notes = _annotation(entry)
            more, lost = _meaning(entry)
            if more:
                self._more[row] = more
            if notes + lost:
                self._notes[row] = notes + lost
        except BadBoxError as error:
            self._messages[row] = str(error)
        fields = entry if isinstance(entry, dict) else {}
        for ids, key in (self._image_ids, 'image_id'), (self._category_ids, 'category_id'):
            # an unhashable id can't be looked up; its annotation has a message already
            value = as_id(fields.get(key))
            ids.append(self._known.setdefault(value, value))
        self._has_hbox.append(hbox is not None)
        self._has_polygon.append(polygon is not None)
        self._hboxes.extend(hbox or [0] * 4)
        self._polygons.extend(polygon or [0] * 8)
        self._rle_sizes.extend(_rle_size(fields.get('segmentation')))
        place = fields.get('box_id')
        if isinstance(place, str) and place.isprintable() and 0 < len(place) <= _LONGEST_PLACE:
            if place not in self._places:
                self._places.add(place)
                self._given[row] = place
        # a crowd's region is that of many objects
        truth = None if self._more.get(row, {}).get('meaning') else fields.get('segmentation')
        if with_segmentation and row not in self._messages and truth:
            self._segmentations[row] = json.dumps(truth)

    def finish(
        self,
        images: dict[Any, str],
        categories: dict[Any, str],
        sizes: list[tuple[int, int] | None],
    ) -> None:
        """Look all ids up, in file names and category names by id, and note the unknown ones."""
        self.file_names, self._names = list(images.values()), list(categories.values())
        self.categories, self.sizes = categories, sizes
        self._image_of_row = image_of_row = places_of(self._image_ids, images)
        self._categories = places_of(self._category_ids, categories)
        for what, ids, places in (
            ('image_id {} is not among the images', self._image_ids, image_of_row),
            ('category_id {} is not among the categories', self._category_ids, self._categories),
        ):
            for row in np.flatnonzero(places == _NOWHERE).tolist():
                self._messages.setdefault(row, what.format(short(ids[row])))
        for row in np.flatnonzero(image_of_row == _NOWHERE).tolist():
            self.unplaced.add_problem(self._box_id(row), self._messages[row])
        self._order = np.argsort(image_of_row, kind='stable')
        self._places = set()
        self._compare_rle_sizes()
        self._starts = np.searchsorted(image_of_row[self._order], np.arange(len(images) + 1))

    def unused(self) -> set[Any]:
        """Return the ids of the categories without an annotation."""
        used = set(self._categories.tolist())
        return {key for place, key in enumerate(self.categories) if place not in used}

    def _compare_rle_sizes(self) -> None:
        """Compare the sizes of run lengths with those of their images, or take them for these."""
        rle_sizes = np.array(self._rle_sizes).reshape(-1, 2)
        for row in np.flatnonzero((rle_sizes[:, 0] > 0) & (self._image_of_row >= 0)).tolist():
            image, found = self._image_of_row[row], tuple(rle_sizes[row].tolist())
            stated = self.sizes[image]
            if stated is None:
                self.sizes[image] = found
            elif stated != found:
                text = (
                    f'its segmentation is of {found[0]} x {found[1]} px, its image of '
                    f'{stated[0]} x {stated[1]} px'
                )
                if self._more.get(row, {}).get('region'):
                    self._messages.setdefault(row, text)
                else:
                    self._notes[row] = (*self._notes.get(row, ()), text)

    def labels(self, image: int) -> ParsedLabels:
        """Return boxes and problems of the image at a position in ``file_names``, in file order.

        Boxes have ``hbox`` (from ``bbox``) or ``polygon`` or both.
        """
        labels = ParsedLabels(size=self.sizes[image])
        if image in self.partial:
            labels.notes.append(self.partial[image])
        labels.problems += self.left_out.get(image, [])
        labels.misfit = next((p.message for p in labels.problems if p.status == MISFIT), '')
        for row in self._rows(image):
            if row in self._messages:
                labels.add_problem(self._box_id(row), self._messages[row])
                continue
            hbox = np.array(self._hboxes[4 * row : 4 * row + 4])
            polygon = np.array(self._polygons[8 * row : 8 * row + 8]).reshape(4, 2)
            labels.boxes.append(
                BoxLabel(
                    self._box_id(row),
                    self._names[self._categories[row]],
                    hbox if self._has_hbox[row] else None,
                    polygon if self._has_polygon[row] else None,
                    notes=self._notes.get(row, ()),
                    **self._more.get(row, {}),
                )
            )
        return labels

    def form_of_boxes(self, sizes: Sequence[tuple[int, int] | None]) -> str:
        """Return what the numbers of ``bbox`` are, as far as they and the images' sizes show it.

        ``'xywh'``, or ``'xyxy'`` where all fit their pictures as two corners and most of them don't
        as corner and size, or ``'fractions'`` where all are within 0..1.
        """
        rows = np.flatnonzero(np.array(self._has_hbox, bool) & (self._image_of_row >= 0))
        hboxes = np.array(self._hboxes).reshape(-1, 4)[rows]
        if len(rows) and (np.abs(hboxes) <= _FRACTION).all():
            return 'fractions'
        known = np.array([size or (0, 0) for size in sizes]).reshape(-1, 2)
        known = known[self._image_of_row[rows]]
        hboxes, known = hboxes[known[:, 0] > 0], known[known[:, 0] > 0] + 1
        low, ends = hboxes[:, :2], hboxes[:, 2:]
        written = ends - low
        as_corners = (written > low).all() and (written <= known).all()
        beyond = (ends > known).any(axis=1)
        return 'xyxy' if len(hboxes) and as_corners and 2 * beyond.sum() > len(beyond) else 'xywh'

    def read_as_corners(self) -> None:
        """Take the four numbers of every ``bbox`` for x0, y0, x1, y1."""
        hboxes = np.array(self._hboxes).reshape(-1, 4)
        hboxes[:, 2:] -= hboxes[:, :2]
        self._hboxes = array('d', hboxes.ravel().tolist())

    def segmentations(self, image: int) -> dict[str, Any]:
        """Return the polygons or RLE of an image by box id, where ``parse_coco`` kept them."""
        kept = self._segmentations
        return {self._box_id(r): json.loads(kept[r]) for r in self._rows(image) if r in kept}

    def _rows(self, image: int) -> list[int]:
        return self._order[self._starts[image] : self._starts[image + 1]].tolist()

    def _box_id(self, row: int) -> str:
        return self._given.get(row) or f'{self.file}:annotations[{row}]'


def parse_coco(file: BinaryIO, name: str, with_segmentations: bool = False) -> CocoIndex:
    """Read a COCO json file, called ``name`` in box ids.

    ``rbox`` (8 numbers) gives the R-Box, else a ``segmentation`` that is one polygon of 4 points,
    else, without a ``segmentation``, a ``bbox`` that CVAT's ``attributes`` turn by a ``rotation``;
    any other ``segmentation`` is ground truth only. Annotations with ``iscrowd`` or ``ignore`` are
    regions, see ``BoxLabel``, whose ``segmentation`` is no object's true mask. Whole numbers called
    ``difficult``, ``truncated`` or ``occluded``, also in ``attributes``, are flags.
    ``CocoIndex.segmentations`` has none but on demand. ``box_id`` is the box's id where it is text
    that no annotation before it has; others are called ``NAME:annotations[ROW]``.

    Raises:
        LabelReadError: As in ``read_coco``; or images or categories are not what they should be,
            or two images share an id or a file name.
    """
    index = CocoIndex(name)
    lists: dict[str, list] = dict(images=[], categories=[])
    for key, _, entry in read_coco(file, name):
        if key == 'annotations':
            index.append(entry, with_segmentations)
        else:
            lists[key].append(entry)
    images = _table(lists['images'], f'{name}: images', 'file_name')
    first: dict[str, Any] = {}
    for key, text in images.items():
        if first.setdefault(text, key) != key:
            raise LabelReadError(
                f'{name}: images {first[text]!r} and {key!r} have the same file_name {text!r}'
            )
    sizes = [stated_size(entry.get('width'), entry.get('height')) for entry in lists['images']]
    index.finish(images, _table(lists['categories'], f'{name}: categories', 'name'), sizes)
    index.headings = index.unused() & _headings(lists['categories'])
    index.parts = [PARTS.get(str(entry.get('split'))) for entry in lists['images']]
    for row, entry in enumerate(lists['images']):
        if left := _left_out(entry.get(LEFT_OUT), name):
            index.left_out[row] = left
        if some := entry.get('not_exhaustive_category_ids'):
            some = some if isinstance(some, list) else [some]
            names = ', '.join(index.categories.get(as_id(key), str(key)) for key in some)
            index.partial[row] = (
                f'not_exhaustive_category_ids: not every object is labelled of {names}'
            )
    return index


def _headings(entries: list[dict[str, Any]]) -> set[Any]:
    """Return the ids of categories of the supercategory none that is that of all others."""
    others = {entry.get('supercategory') for entry in entries} - {'none'}
    if len(others) != 1:
        return set()
    return {
        as_id(entry['id'])
        for entry in entries
        if entry.get('supercategory') == 'none' and entry['name'] in others
    }


def _left_out(entries: Any, name: str) -> list[LabelProblem]:
    """Return what an image's entry says that a file was made without; [] of anything else."""
    found = []
    for entry in entries if isinstance(entries, list) else ():
        values = [entry.get(key) for key in ('box_id', 'reason')] if isinstance(entry, dict) else []
        if len(values) == 2 and all(isinstance(v, str) and v.isprintable() for v in values):
            text = f'left out when {name} was made: {values[1]}'
            status = MISFIT if entry.get('status') == MISFIT else MALFORMED
            found.append(LabelProblem(str(values[0]), text, status))
    return found


def _table(entries: list, place: str, text_key: str) -> dict[Any, str]:
    """Return ``{id: name}`` of images or categories, in the file's order."""
    table: dict[Any, str] = {}
    for number, entry in enumerate(entries):
        fields = entry if isinstance(entry, dict) else {}
        key, name = as_id(fields.get('id')), fields.get(text_key)
        if key is None or not isinstance(name, str) or not name:
            raise LabelReadError(
                f'{place}[{number}] is {short(entry)}; allowed: an object with id and {text_key}'
            )
        if key in table:
            raise LabelReadError(f'{place}[{number}]: id {key!r} is there twice')
        table[key] = name
    return table


def _annotation(entry: Any) -> tuple[list[float] | None, list[float] | None, tuple[str, ...]]:
    """Return H-Box ``[x0, y0, x1, y1]``, corners (8 numbers) and notes of an annotation."""
    if not isinstance(entry, dict):
        raise BadBoxError(f'{short(entry)} is not an object')
    for key in ('image_id', 'category_id'):
        if as_id(entry.get(key)) is None:
            raise BadBoxError(f'{key} is {short(entry.get(key))}; allowed: a whole number or text')
    hbox, polygon = entry.get('bbox'), entry.get('rbox')
    if hbox is None and polygon is None and region_of(entry):
        hbox = around_region(entry.get('segmentation'))
    if hbox is not None:
        x, y, width, height = _numbers(hbox, 4, 'bbox', 'x, y, width, height')
        hbox = [x, y, x + width, y + height]
    if polygon is not None:
        polygon = _numbers(polygon, 8, 'rbox', 'x1, y1, ... x4, y4')
    else:
        polygon = _four_points(entry.get('segmentation'))
    if hbox is None and polygon is None:
        around = around_region(entry.get('segmentation'))
        if around is None:
            raise BadBoxError('no bbox, no rbox and no segmentation')
        hbox = [*around[:2], around[0] + around[2], around[1] + around[3]]
    if hbox is None or polygon is not None or entry.get('segmentation'):
        return hbox, polygon, ()
    attributes = entry.get('attributes')
    degrees = degrees_of(attributes.get('rotation')) if isinstance(attributes, dict) else 0
    if not degrees:
        return hbox, None, ()
    corners, note = turned(hbox, degrees)
    return None, corners.ravel().tolist(), (note,)


def _meaning(entry: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what an annotation says beyond its box, as arguments of ``BoxLabel``, and notes."""
    more: dict[str, Any] = {}
    if meaning := region_of(entry):
        more['meaning'] = meaning
        more['region'] = entry.get('segmentation') or None
        around_region(more['region'])
    flags, notes = flags_of(entry)
    if flags:
        more['flags'] = flags
    return more, notes


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
        raise BadBoxError(f'{key} is {short(values)}; allowed: {count} numbers {meaning}')
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadBoxError(f'{key} holds {short(value)}, not a number')
    try:
        return [float(value) for value in values]
    except OverflowError:
        raise BadBoxError(f'{key} holds a number beyond 1e308') from None


def _rle_size(segmentation: Any) -> tuple[int, int]:
    """Return width and height of run lengths; zeros for anything else."""
    size = segmentation.get('size') if isinstance(segmentation, dict) else None
    if not isinstance(size, list) or len(size) != 2:
        return 0, 0
    found = stated_size(size[1], size[0])
    return found if found and max(found) < _LONGEST_SIDE else (0, 0)


def as_id(value: Any) -> int | str | None:
    """Return an id of a COCO file, 1.0 as 1 (pandas writes it); None of what is no id."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None
