"""Counts a COCO file without holding it in memory."""

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.formats.annotated.records import KEPT
from samrs_mm.formats.coco import IdColumn, read_coco
from samrs_mm.statistics.dataset_tally import IMAGE, Part, box_column

_LONGEST = (1 << 16) - 1
_BAD_ENTRY = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError)


def count_coco(path: Path, step: Callable[[int], object] = int) -> tuple[tuple[str, ...], Part]:
    """Count the annotations of a COCO file.

    Masks are RLE or polygons. The box of an annotation is the upright one around ``rbox`` (8
    numbers) where there is one, else ``bbox``. Regions of crowds are no instances; they are left
    out. Pixels are those of the masks, before overlap.

    Args:
        path: The file.
        step: Called with numbers of bytes that add up to the file's size.

    Returns:
        The class names in the file's order, and what was counted.

    Raises:
        RefusedError: It can't be read, is not JSON, or one of its three lists is missing or wrong.
    """
    columns, reported = _Columns(path), 0
    take = dict(images=columns.image, categories=columns.category, annotations=columns.annotation)
    try:
        with path.open('rb') as file:
            for key, number, entry in read_coco(file, str(path)):
                columns.note(take[key], f'{key}[{number}]', entry)
                if (place := file.tell()) > reported:
                    step(place - reported)
                    reported = place
    except OSError as error:
        raise RefusedError(f'{path}: cannot read it: {error.strerror}') from error
    except LabelReadError as error:
        raise RefusedError(str(error)) from error
    finally:  # also after an error: a progress bar goes away when it is full
        step(path.stat().st_size - reported)
    return tuple(columns.names), columns.part()


class _Columns:
    """Images and annotations as columns, in whatever order the file gives its lists."""

    def __init__(self, path: Path):
        self.names: list[str] = []
        self._path, self._problems = path, []
        self._category_at: dict[Any, int] = {}
        self._image_at: dict[Any, int] = {}
        self._widths, self._heights = array('q'), array('q')
        # of each annotation; what its ids mean is looked up at the end, each id once
        self._images, self._labels = IdColumn(), IdColumn()
        self._areas, self._hboxes = array('q'), array('d')
        # polygons of images whose size comes later in the file
        self._waiting: dict[int, list] = {}

    def note(self, take: Callable[..., None], place: str, entry: Any) -> None:
        """Take an entry of a list; if it can't be used, note why."""
        try:
            take(entry)
        except _BAD_ENTRY as error:
            reason = f'no {error}' if isinstance(error, KeyError) else str(error)
            self._problems.append(f'{self._path}: {place}: {reason}')

    def image(self, entry: dict) -> None:
        """Take one of ``images``."""
        width, height = entry['width'], entry['height']
        _check_size(height, width)
        _enter(self._image_at, entry['id'])
        self._widths.append(width)
        self._heights.append(height)

    def category(self, entry: dict) -> None:
        """Take one of ``categories``."""
        name = str(entry['name'])
        _enter(self._category_at, entry['id'])
        self.names.append(name)

    def annotation(self, entry: dict) -> None:
        """Take one of ``annotations``."""
        if entry.get('iscrowd'):
            return
        row, image, label = len(self._areas), entry['image_id'], entry['category_id']
        hash(label)  # one that can't be looked up is noted now
        segmentation, hbox = entry.get('segmentation'), _hbox(entry)
        at = self._image_at.get(image)
        polygons = isinstance(segmentation, list)
        if polygons:
            masks.check_polygons(segmentation)
        waits = polygons and at is None
        area = 0 if waits else self._area(segmentation, at)
        if waits:
            self._waiting[row] = segmentation
        self._images.append(image)
        self._labels.append(label)
        self._areas.append(area)
        self._hboxes.extend(hbox)

    def _area(self, segmentation: Any, image: int | None) -> int:
        if not segmentation:
            return 0
        if isinstance(segmentation, list):
            size = self._heights[image], self._widths[image]
        else:
            size = _checked_size(segmentation)
        if isinstance(segmentation, dict) and isinstance(segmentation['counts'], str):
            area = masks.area(segmentation)  # unchecked: checking a million takes a minute
        else:
            area = masks.area(masks.from_coco(segmentation, *size))
        if area > size[0] * size[1]:
            raise ValueError(f'a mask of {area} pixels in an image of {size[0]} x {size[1]}')
        return area

    def part(self) -> Part:
        """Return what was counted."""
        images, labels = self._images.places(self._image_at), self._labels.places(self._category_at)
        for row, polygons in self._waiting.items():
            if images[row] >= 0:
                self._areas[row] = self._area(polygons, images[row])
        known = (images >= 0) & (labels >= 0)
        if not known.all():
            row = int(np.argmin(known))
            self._problems.append(
                f'{self._path}: {np.count_nonzero(~known)} annotations of an unknown image or '
                f'category, such as image_id {self._images[row]!r}, category_id '
                f'{self._labels[row]!r}'
            )
        return self._count(images[known], labels[known], known)

    def _count(self, images: np.ndarray, labels: np.ndarray, known: np.ndarray) -> Part:
        widths, heights = np.array(self._widths), np.array(self._heights)
        hboxes = np.array(self._hboxes).reshape(-1, 4)[known]
        areas = np.array(self._areas)[known]
        boxes = box_column(
            labels, [KEPT] * len(labels), areas, hboxes, widths[images], heights[images]
        )
        table = np.zeros(len(widths), IMAGE)
        valid = boxes['area'] > 0
        table['width'], table['height'] = widths, heights
        table['masks'] = np.bincount(images[valid], minlength=len(table))
        table['labelled'] = table['masks'] > 0
        count = len(self.names)
        pixels = np.bincount(labels, boxes['area'], minlength=count).astype(np.int64)
        pairs = np.unique(images[valid] * count + labels[valid]) % max(count, 1)
        return Part(boxes, table, pixels, np.bincount(pairs, minlength=count), self._problems)


def _enter(places: dict[Any, int], key: Any) -> None:
    if key in places:
        raise ValueError(f'id {key!r} is there twice')
    places[key] = len(places)


def _check_size(height: Any, width: Any) -> None:
    sides = height, width
    if not all(type(side) is int and 0 < side <= _LONGEST for side in sides):
        raise ValueError(
            f'size {height!r} x {width!r}; allowed: whole numbers from 1 to {_LONGEST}'
        )


def _checked_size(mask: dict) -> tuple[int, int]:
    """Return height and width of RLE; the library behind ``rle`` trusts what it is given."""
    (height, width), counts = mask['size'], mask['counts']
    _check_size(height, width)
    if isinstance(counts, list) and sum(counts) != height * width:
        raise ValueError(f'runs of {sum(counts)} pixels for a mask of {height} x {width}')
    return height, width


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
