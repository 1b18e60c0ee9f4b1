"""Counts a COCO file without holding it in memory."""

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core import masks, segmentations
from samrs_mm.core.boxes import BadBoxError
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.formats.annotated.entries import BOX_STATUSES, KEPT
from samrs_mm.formats.boxes.marks import region_of
from samrs_mm.formats.coco import places_of, read_coco
from samrs_mm.statistics.dataset_stats import IMAGE, Counts, box_table

_LONGEST = (1 << 16) - 1
_BAD_ENTRY = (
    AttributeError,
    BadBoxError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
)


def count_coco(path: Path, step: Callable[[int], object] = int) -> tuple[tuple[str, ...], Counts]:
    """Count the annotations of a COCO file; return its class names in its order, and the counts.

    Masks are RLE or polygons. The box of an annotation is the upright one around ``rbox`` (8
    numbers) where there is one, else ``bbox``. Crowds and what is to be ignored are no instances:
    they have these statuses. Pixels are those of the masks, before overlap. ``step`` is called with
    numbers of bytes that add up to the file's size.

    Raises:
        RefusedError: It can't be read, is not JSON, or one of its three lists is missing or wrong.
    """
    columns, reported, size = _Columns(), 0, path.stat().st_size
    problems = []
    try:
        with path.open('rb') as file:
            for key, number, entry in read_coco(file, str(path)):
                try:
                    columns.add(key, entry)
                except _BAD_ENTRY as error:
                    reason = f'no {error}' if isinstance(error, KeyError) else str(error)
                    problems.append(f'{path}: {key}[{number}]: {reason}')
                if (place := file.tell()) > reported:
                    step(place - reported)
                    reported = place
    except OSError as error:
        raise RefusedError(f'{path}: cannot read it: {error.strerror}') from error
    except LabelReadError as error:
        raise RefusedError(str(error)) from error
    finally:  # also after an error: a progress bar goes away when it is full
        step(size - reported)
    return tuple(columns.categories.values()), columns.count(str(path), problems)


class _Columns:
    """Images and annotations as columns, in whatever order the file gives its lists."""

    def __init__(self):
        self.categories: dict[Any, str] = {}
        self._sizes: dict[Any, tuple[int, int]] = {}
        # of each annotation; what its ids mean is looked up at the end
        self._image_ids: list[Any] = []
        self._category_ids: list[Any] = []
        self._areas, self._hboxes = array('q'), array('d')
        self._statuses = array('b')  # places in BOX_STATUSES
        self._known: dict[Any, Any] = {}
        # polygons of images whose size comes later in the file
        self._waiting: dict[int, list] = {}

    def add(self, key: str, entry: dict) -> None:
        """Take an entry of one of the file's lists; if it can't be used, raise ``_BAD_ENTRY``."""
        if key == 'images':
            width, height = entry['width'], entry['height']
            self._sizes[_new_id(entry, self._sizes)] = _checked_size(height, width)
        elif key == 'categories':
            name = str(entry['name'])
            self.categories[_new_id(entry, self.categories)] = name
        else:
            self._add_annotation(entry)

    def _add_annotation(self, entry: dict) -> None:
        # equal ids become one object; one that can't be looked up is bad
        image, label = (
            self._known.setdefault(entry[key], entry[key]) for key in ('image_id', 'category_id')
        )
        segmentation, hbox, status = entry.get('segmentation'), _hbox(entry), region_of(entry)
        size, area = self._sizes.get(image), 0
        if isinstance(segmentation, list):
            segmentations.check_polygons(segmentation)
            if size is None:
                self._waiting[len(self._areas)] = segmentation
        if size is not None or not isinstance(segmentation, list):
            area = _area(segmentation, size)
        self._image_ids.append(image)
        self._category_ids.append(label)
        self._areas.append(area)
        self._statuses.append(BOX_STATUSES.index(status or KEPT))
        self._hboxes.extend(hbox)

    def count(self, file: str, problems: list[str]) -> Counts:
        """Count the annotations; of those whose image or category is unknown, note a problem."""
        images = places_of(self._image_ids, self._sizes)
        labels = places_of(self._category_ids, self.categories)
        for row, polygons in self._waiting.items():
            if images[row] >= 0:
                self._areas[row] = _area(polygons, self._sizes[self._image_ids[row]])
        known = (images >= 0) & (labels >= 0)
        if not known.all():
            row = int(np.argmin(known))
            problems.append(
                f'{file}: {np.count_nonzero(~known)} annotations of an unknown image or category, '
                f'such as image_id {self._image_ids[row]!r}, category_id '
                f'{self._category_ids[row]!r}'
            )
        images, labels = images[known], labels[known]
        table = np.zeros(len(self._sizes), IMAGE)
        table['height'], table['width'] = np.array(list(self._sizes.values())).reshape(-1, 2).T
        hboxes = np.array(self._hboxes).reshape(-1, 4)[known]
        sizes = table['width'][images], table['height'][images]
        areas = np.array(self._areas)[known]
        statuses = [BOX_STATUSES[place] for place in np.array(self._statuses, int)[known]]
        boxes = box_table(labels, statuses, areas, hboxes, *sizes)
        valid = boxes['area'] > 0
        table['masks'] = np.bincount(images[valid], minlength=len(table))
        table['labelled'] = table['masks'] > 0
        count = len(self.categories)
        pixels = np.bincount(labels, boxes['area'], minlength=count).astype(np.int64)
        pairs = np.unique(images[valid] * count + labels[valid]) % max(count, 1)
        return Counts(boxes, table, pixels, np.bincount(pairs, minlength=count), problems)


def _new_id(entry: dict, known: dict) -> Any:
    if entry['id'] in known:
        raise ValueError(f'id {entry["id"]!r} is there twice')
    return entry['id']


def _checked_size(height: Any, width: Any) -> tuple[int, int]:
    if not all(type(side) is int and 0 < side <= _LONGEST for side in (height, width)):
        raise ValueError(
            f'size {height!r} x {width!r}; allowed: whole numbers from 1 to {_LONGEST}'
        )
    return height, width


def _area(segmentation: Any, size: tuple[int, int] | None) -> int:
    """Return the pixels of RLE, or of polygons in an image of a height and width."""
    if not segmentation:
        return 0
    height, width = size or (0, 0)
    counts = None
    if not isinstance(segmentation, list):
        (height, width), counts = _checked_size(*segmentation['size']), segmentation['counts']
        # pycocotools trusts what it is given
        if isinstance(counts, list) and sum(counts) != height * width:
            raise ValueError(f'runs of {sum(counts)} pixels for a mask of {height} x {width}')
    if not isinstance(counts, str):  # text stays unchecked: checking a million takes a minute
        segmentation = segmentations.from_coco(segmentation, height, width)
    area = masks.area(segmentation)
    if area > height * width:
        raise ValueError(f'a mask of {area} pixels in an image of {height} x {width}')
    return area


def _hbox(entry: dict) -> list[float]:
    """Return x0, y0, x1, y1 of an annotation, NaN where it has no box."""
    rbox, bbox = entry.get('rbox'), entry.get('bbox')
    if rbox:
        x1, y1, x2, y2, x3, y3, x4, y4 = map(float, rbox)
        return [min(x1, x2, x3, x4), min(y1, y2, y3, y4), max(x1, x2, x3, x4), max(y1, y2, y3, y4)]
    if bbox:
        x, y, width, height = map(float, bbox)
        return [x, y, x + width, y + height]
    return [np.nan] * 4
