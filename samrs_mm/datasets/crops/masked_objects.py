"""Objects with their masks, read from annotated folders and from sets with true masks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core import masks, segmentations
from samrs_mm.core.boxes import bounding_boxes
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.images import SceneImage
from samrs_mm.datasets.boxes.base import BoxDataset
from samrs_mm.datasets.segmentation.image_index import read_annotated, read_meta
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.registry import BOX_DATASETS

LEAST_AREA = 16
"""Pixels of a mask below which there is nothing to learn from it."""

_LEAST_IOU = 0.2
"""Of a box and its mask's own box, below which the box is another object's."""


@dataclass(frozen=True)
class MaskedObject:
    """An object and what is around it.

    Args:
        stem: Name of its image.
        place: Of its box in the labels.
        kind: Name of its class.
        pixels: ``(h, w, 3)`` uint8 RGB, a window around it; as far away from it on each side as it
            is long, where the image goes on.
        valid: ``(h, w)`` bool, which pixels have data; None for all.
        mask: ``(h, w)`` bool.
    """

    stem: str
    place: str
    kind: str
    pixels: np.ndarray
    valid: np.ndarray | None
    mask: np.ndarray


@dataclass
class MaskedObjects:
    """The usable objects of a set by image, and what was left out, one line each."""

    by_image: dict[str, list[MaskedObject]]
    left_out: list[str]

    def __len__(self) -> int:
        return sum(map(len, self.by_image.values()))


def read_objects(data_root: str, labels: str, options: dict[str, Any]) -> MaskedObjects:
    """Read all objects of an annotated folder or of a box dataset with true masks.

    Crowds, ignored regions and filtered masks are passed over. Left out, and told, are images and
    labels that can't be read, boxes without a mask, masks that are damaged or of another size than
    their image, masks of fewer than ``LEAST_AREA`` pixels, and masks whose box lies elsewhere.

    Args:
        data_root: Of the set.
        labels: Type of a box dataset; not looked at where ``data_root`` is an annotated folder.
        options: Its further arguments, such as ``ann_file``.

    Raises:
        RefusedError: There is no such set, it has no masks, or nothing of it can be used.
    """
    root = Path(data_root)
    meta = read_meta(root) if root.is_dir() else None
    found = MaskedObjects({}, [])
    images = _of_records(root, meta) if meta else _of_dataset(data_root, labels, options, found)
    for stem, path, entries in images:
        try:
            image = SceneImage(path)
        except SamrsError as error:
            found.left_out.append(str(error))
            continue
        for place, kind, box, segmentation in entries:
            try:
                item = _object(image, stem, place, kind, box, segmentation)
            except ValueError as error:
                found.left_out.append(f'{place}: {error}')
            else:
                found.by_image.setdefault(stem, []).append(item)
    if not found:
        reason = f': {found.left_out[0]}' if found.left_out else ''
        more = f' (and {len(found.left_out) - 1} more)' if len(found.left_out) > 1 else ''
        raise RefusedError(f'{data_root}: no mask to learn from{reason}{more}')
    if len(found.left_out) > len(found):
        raise RefusedError(
            f'{data_root}: {len(found.left_out)} of {len(found) + len(found.left_out)} masks '
            f'cannot be used, such as {found.left_out[0]}; do labels and images belong together?'
        )
    return found


_Entries = list[tuple[str, str, np.ndarray, Any]]


def _of_records(root: Path, meta: dict) -> Iterator[tuple[str, Path, _Entries]]:
    """Yield stem, image, and place, class, box and mask of each kept box."""
    for item in read_annotated(root, meta):
        record = Record.load_checked(root / folder.INSTANCES / f'{item.stem}.json')
        yield (
            item.stem,
            Path(item.image),
            [
                (box.box_id, box.category, bounding_boxes(box.corners[None])[0], box.segmentation)
                for box in record.kept
            ],
        )


def _of_dataset(
    data_root: str, labels: str, options: dict[str, Any], found: MaskedObjects
) -> Iterator[tuple[str, Path, _Entries]]:
    """Yield the same of a box dataset's objects."""
    kind = BOX_DATASETS.get(labels)
    truth = getattr(kind, 'truth_options', None)
    if truth is None:
        raise RefusedError(
            f'MaskCrops: labels={labels!r}: it has no true masks to offer; COCOBoxDataset and '
            'ISAIDInstanceDataset do, or give an annotated folder as data_root'
        )
    dataset: BoxDataset = BOX_DATASETS.build(
        dict(type=labels, data_root=data_root, **dict(options) | truth)
    )
    for index, scene in enumerate(dataset.scenes):
        if scene.image is None or scene.label is None:
            continue
        try:
            parsed, true = dataset.labels(index), dataset.ground_truth_of(index)
        except SamrsError as error:
            found.left_out.append(str(error))
            continue
        found.left_out += [f'{each.box_id}: {each.message}' for each in parsed.problems]
        boxes = [box for box in parsed.boxes if not box.meaning]
        yield (
            scene.stem,
            dataset.image_path(index),
            [(box.box_id, box.category, _hbox(box), true.get(box.box_id)) for box in boxes],
        )


def _hbox(box: Any) -> np.ndarray:
    return box.hbox if box.hbox is not None else bounding_boxes(box.polygon[None])[0]


def _object(
    image: SceneImage, stem: str, place: str, kind: str, box: np.ndarray, segmentation: Any
) -> MaskedObject:
    """Cut an object out.

    Raises:
        ValueError: Its mask is none, or isn't its box's; says why.
    """
    rle = segmentations.from_coco(segmentation, image.height, image.width)
    if rle is None:
        raise ValueError('it has no mask')
    x, y, mask = masks.crop(rle)
    if mask.sum() < LEAST_AREA:
        raise ValueError(f'a mask of {mask.sum()} px; needed: {LEAST_AREA} or more')
    height, width = mask.shape
    fit = _iou(box, np.array([x, y, x + width, y + height], float))
    if fit < _LEAST_IOU:
        raise ValueError(
            f'its box {np.round(box, 1).tolist()} and its mask at {[x, y, x + width, y + height]} '
            '(x0, y0, x1, y1) are not of one object'
        )
    around = max(height, width) + 8
    x0, y0 = max(x - around, 0), max(y - around, 0)
    x1, y1 = min(x + width + around, image.width), min(y + height + around, image.height)
    window = np.zeros((y1 - y0, x1 - x0), bool)
    window[y - y0 : y - y0 + height, x - x0 : x - x0 + width] = mask
    size = x0, y0, x1 - x0, y1 - y0
    return MaskedObject(stem, place, kind, image.crop(*size), image.valid(*size), window)


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    common = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None)
    areas = [np.prod(np.clip(box[2:] - box[:2], 0, None)) for box in (one, other)]
    return float(common.prod() / max(sum(areas) - common.prod(), 1e-9))
