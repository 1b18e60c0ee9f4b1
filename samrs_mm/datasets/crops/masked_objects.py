"""Objects with their masks, read from annotated folders and from sets with true masks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core import masks, segmentations
from samrs_mm.core.boxes import bounding_boxes
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.images import SceneImage, image_size
from samrs_mm.core.wording import counted
from samrs_mm.datasets.boxes.base import BoxDataset
from samrs_mm.datasets.segmentation.image_index import read_annotated, read_meta
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import HELD
from samrs_mm.formats.annotated.record import Record
from samrs_mm.registry import BOX_DATASETS

LEAST_AREA = 16
"""Pixels of a mask below which there is nothing to learn from it."""

_LEAST_IOU = 0.2
"""Of a box and its mask's own box, below which the box is another object's."""
_WHERE = 'to learn from masks give an annotated folder, or a folder of images with COCO truth'


class MisfitError(ValueError):
    """A mask is of another image, or of another object than its box."""


@dataclass(frozen=True)
class FoundMask:
    """A mask of a set, and where its object is.

    Args:
        stem: Name of its image.
        path: Of the image.
        place: Of its box in the labels.
        kind: Name of its class.
        rle: Of the image's size.
    """

    stem: str
    path: Path
    place: str
    kind: str
    rle: dict


@dataclass(frozen=True)
class MaskedObject:
    """An object and what is around it.

    Args:
        found: Whose mask it is.
        pixels: ``(h, w, 3)`` uint8 RGB, a window around it; as far away from it on each side as it
            is long, where the image goes on.
        valid: ``(h, w)`` bool, which pixels have data; None for all.
        corner: x and y of the mask's first pixel in the window.
        mask: bool, of the size of its own box, and a pixel more where the image goes on.
    """

    found: FoundMask
    pixels: np.ndarray
    valid: np.ndarray | None
    corner: np.ndarray
    mask: np.ndarray


@dataclass
class FoundMasks:
    """The usable masks of a set by image, and what there is beside them.

    Args:
        by_image: By the image's name.
        left_out: What should be usable and is not, one line each.
        misfits: Those of them that are of another image or another object.
        passed: How many of what is no object: crowds, filtered masks, images that are not there.
        maker: Type of the segmentor that made the masks; empty where none is known.
    """

    by_image: dict[str, list[FoundMask]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)
    maker: str = ''

    def __len__(self) -> int:
        return sum(map(len, self.by_image.values()))

    def passed_over(self) -> str:
        """Return what was passed over, in words; empty for nothing."""
        return ', '.join(f'{count:,} {what}' for what, count in self.passed.items())

    def reasons(self) -> str:
        """Return why there are no more masks, in words that end a sentence; empty for no reason."""
        more = f' (and {len(self.left_out) - 1} more)' if len(self.left_out) > 1 else ''
        reasons = [self.left_out[0] + more] if self.left_out else []
        reasons += [f'passed over: {self.passed_over()}'] if self.passed else []
        return f': {"; ".join(reasons)}' if reasons else ''


def find_masks(
    data_root: str, labels: str, options: dict[str, Any], judged: bool = False
) -> FoundMasks:
    """Find all usable masks of an annotated folder or of a box dataset with true masks.

    Crowds, ignored regions, filtered masks and images that are not there are passed over, and
    counted. Left out, and told, are images and labels that can't be read, boxes without a mask,
    masks that are damaged or of another size than their image, masks of fewer than ``LEAST_AREA``
    pixels, and masks whose box lies elsewhere. Of images the header is read.

    Args:
        data_root: Of the set.
        labels: Type of a box dataset; not looked at where ``data_root`` is an annotated folder.
        options: Its further arguments, such as ``ann_file``.
        judged: Of an annotated folder, only masks that people accepted, corrected or added.

    Raises:
        RefusedError: There is no such set, it has no masks, nothing of it can be used, or more
            masks belong elsewhere than can be used.
    """
    root = Path(data_root)
    meta = read_meta(root) if root.is_dir() else None
    found = FoundMasks()
    if meta:
        found.maker = str((meta['settings'].get('model') or {}).get('type', ''))
        images = _of_records(root, meta, found, judged)
    elif judged:
        raise RefusedError(f'{data_root}: judged=True is for annotated folders, and it is none')
    else:
        images = _of_dataset(data_root, labels, options, found)
    for stem, path, entries in images:
        try:
            width, height = image_size(path)
        except SamrsError as error:
            found.left_out.append(str(error))
            continue
        for place, kind, box, segmentation in entries:
            try:
                rle = _usable(segmentation, box, height, width)
            except ValueError as error:
                found.left_out.append(f'{place}: {error}')
                if isinstance(error, MisfitError):
                    found.misfits.append(found.left_out[-1])
            else:
                item = FoundMask(stem, path, place, kind, rle)
                found.by_image.setdefault(stem, []).append(item)
    if len(found.misfits) > len(found):
        raise RefusedError(
            f'{data_root}: {counted(len(found.misfits), "mask")} of another image or object and '
            f'{len(found)} usable, such as {found.misfits[0]}; do labels and images belong '
            'together?'
        )
    if not found:
        raise RefusedError(f'{data_root}: no mask to learn from{found.reasons()}')
    return found


_Entries = list[tuple[str, str, np.ndarray, Any]]


def _of_records(
    root: Path, meta: dict, found: FoundMasks, judged: bool
) -> Iterator[tuple[str, Path, _Entries]]:
    """Yield stem, image, and place, class, box and mask of each kept box."""
    folder.refuse_without_pictures(root, meta, 'training')
    for item in read_annotated(root, meta):
        record = Record.load_checked(root / folder.INSTANCES / f'{item.stem}.json')
        found.passed.update(box.status for box in record.boxes if box.status not in HELD)
        kept = [box for box in record.kept if box.edited or not judged]
        found.passed.update('not judged' for box in record.kept if judged and not box.edited)
        yield (
            item.stem,
            Path(item.image),
            [
                (box.box_id, box.category, bounding_boxes(box.corners[None])[0], box.segmentation)
                for box in kept
            ],
        )


def _of_dataset(
    data_root: str, labels: str, options: dict[str, Any], found: FoundMasks
) -> Iterator[tuple[str, Path, _Entries]]:
    """Yield the same of a box dataset's objects."""
    kind = BOX_DATASETS.get(labels)
    truth = getattr(kind, 'truth_options', None)
    if truth is None:
        raise RefusedError(
            f'MaskCrops: labels={labels!r}: it has no true masks to offer; COCOBoxDataset and '
            'ISAIDInstanceDataset do, or give an annotated folder as data_root'
        )
    try:
        dataset: BoxDataset = BOX_DATASETS.build(
            dict(type=labels, data_root=data_root, **dict(options) | truth)
        )
    except SamrsError as error:
        raise RefusedError(f'{error}; {_WHERE}') from error
    for index, scene in enumerate(dataset.scenes):
        if scene.image is None or scene.label is None:
            found.passed['without image' if scene.image is None else 'without labels'] += 1
            continue
        try:
            parsed, true = dataset.labels(index), dataset.ground_truth_of(index)
        except SamrsError as error:
            found.left_out.append(str(error))
            continue
        said = parsed.misfit and 'labels of an image of another size or turn'
        problems = [f'{each.box_id}: {said or each.message}' for each in parsed.problems]
        found.left_out += problems
        found.misfits += problems if said else []
        found.passed.update(box.meaning for box in parsed.boxes if box.meaning)
        boxes = [box for box in parsed.boxes if not box.meaning]
        yield (
            scene.stem,
            dataset.image_path(index),
            [(box.box_id, box.category, _hbox(box), true.get(box.box_id)) for box in boxes],
        )


def _hbox(box: Any) -> np.ndarray:
    return box.hbox if box.hbox is not None else bounding_boxes(box.polygon[None])[0]


def _usable(segmentation: Any, box: np.ndarray, height: int, width: int) -> dict:
    """Return the mask of a box as an RLE of the image's size.

    Raises:
        MisfitError: It is of another image, or lies elsewhere than its box.
        ValueError: It is none, or too small; says why.
    """
    size = segmentation.get('size') if isinstance(segmentation, dict) else None
    if isinstance(size, list | tuple) and list(size) != [height, width]:
        raise MisfitError(
            f'a mask of {list(size)} in an image of {[height, width]} (height, width)'
        )
    rle = segmentations.from_coco(segmentation, height, width)
    if rle is None:
        raise ValueError('it has no mask')
    x, y, w, h = masks.bbox(rle)
    if (area := masks.area(rle)) < LEAST_AREA:
        raise ValueError(f'a mask of {area} px; needed: {LEAST_AREA} or more')
    own = [x, y, x + w, y + h]
    if not _iou(box, np.array(own, float)) >= _LEAST_IOU:  # NaN is no box
        raise MisfitError(
            f'its box {np.round(box, 1).tolist()} and its mask at {own} (x0, y0, x1, y1) are not '
            'of one object'
        )
    return rle


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    common = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None)
    areas = [np.prod(np.clip(box[2:] - box[:2], 0, None)) for box in (one, other)]
    return float(common.prod() / max(sum(areas) - common.prod(), 1e-9))


def cut_out(found: Sequence[FoundMask]) -> tuple[list[MaskedObject], list[str]]:
    """Cut objects out of their images, in order; each image is read once.

    Where the windows of an image have more pixels than itself, they share those of the image.

    Returns:
        The objects, and a line on each image that can't be read and on each mask without a pixel
        that has data; these objects are left out.
    """
    places: dict[Path, list[int]] = {}
    for number, each in enumerate(found):
        places.setdefault(each.path, []).append(number)
    objects: dict[int, MaskedObject] = {}
    problems = []
    for path, numbers in places.items():
        try:
            image = SceneImage(path)
            cut = _of_image(image, [found[number] for number in numbers])
        except SamrsError as error:
            problems.append(str(error))
        else:
            for number, item in zip(numbers, cut, strict=True):
                if _has_data(item):
                    objects[number] = item
                else:
                    problems.append(f'{item.found.place}: a mask where {path} has no data')
    return [objects[number] for number in sorted(objects)], problems


def _has_data(item: MaskedObject) -> bool:
    if item.valid is None:
        return True
    (x, y), (height, width) = item.corner.tolist(), item.mask.shape
    return bool((item.valid[y : y + height, x : x + width] & item.mask).any())


def _of_image(image: SceneImage, found: Sequence[FoundMask]) -> list[MaskedObject]:
    whole = image.width * image.height
    parts = [masks.crop(each.rle) for each in found]
    windows = [_window(image, x, y, mask) for x, y, mask in parts]
    shared = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in windows) > whole
    if shared:
        size = 0, 0, image.width, image.height
        pixels, valid = image.crop(*size), image.valid(*size)
    objects = []
    for each, (x, y, mask), (x0, y0, x1, y1) in zip(found, parts, windows, strict=True):
        if shared:
            here = slice(y0, y1), slice(x0, x1)
            seen, known = pixels[here], None if valid is None else valid[here]
        else:
            size = x0, y0, x1 - x0, y1 - y0
            seen, known = image.crop(*size), image.valid(*size)
        before = int(x > x0), int(y > y0)
        after = int(x + mask.shape[1] < x1), int(y + mask.shape[0] < y1)
        corner = np.array([x - x0, y - y0]) - before
        mask = np.pad(np.ascontiguousarray(mask), [*zip(before[::-1], after[::-1], strict=True)])
        objects.append(MaskedObject(each, seen, known, corner, mask))
    return objects


def _window(image: SceneImage, x: int, y: int, mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 of what is kept around a mask at ``x, y``."""
    height, width = mask.shape
    around = max(height, width) + 8
    return (
        max(x - around, 0),
        max(y - around, 0),
        min(x + width + around, image.width),
        min(y + height + around, image.height),
    )
