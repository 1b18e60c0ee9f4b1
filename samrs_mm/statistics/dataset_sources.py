"""Segmentation datasets in the layouts that ``tally`` reads: annotated, released, COCO."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from samrs_mm.annotate.exporter import RECORD as EXPORT_RECORD
from samrs_mm.core.boxes import bounding_boxes
from samrs_mm.core.classes import NAMED_CLASSES, UNLABELLED
from samrs_mm.core.errors import LabelReadError, RefusedError, SamrsError
from samrs_mm.core.masks import area
from samrs_mm.core.parallel import ordered_map
from samrs_mm.datasets.boxes.released import INSTANCE_FOLDERS
from samrs_mm.datasets.segmentation.image_index import LABEL_FOLDERS, read_meta
from samrs_mm.datasets.transforms.pixels import read_label
from samrs_mm.formats.annotated import folder, records
from samrs_mm.formats.annotated.records import KEPT
from samrs_mm.formats.released import load_released
from samrs_mm.statistics.coco_tally import count_coco
from samrs_mm.statistics.dataset_tally import Part, Tally, box_column

LABEL_MAPS, MASKS = 'label maps', 'masks, overlaps counted in each'
"""What pixels of a class may be counted in."""

Progress = Callable[[str, int], Callable[[int], object]]
"""Called with a unit and a total, returns what is told of each step."""

_CHUNK = 32


@dataclass(frozen=True)
class Labels:
    """Files of one image.

    Args:
        instances: Its record or its pickle, or None.
        semantic: Its label map, or None.
    """

    instances: Path | None
    semantic: Path | None


def tally(
    path: Path, subset: str | None = None, workers: int = 0, progress: Progress = lambda *_: int
) -> Tally:
    """Count what a segmentation dataset holds.

    What can't be read is named in the result's ``part.problems`` and left out.

    Args:
        path: An annotated folder, one subset of the SAMRS release, or a COCO file.
        subset: ``'sota'``, ``'sior'`` or ``'fast'``, for the release; None takes what its
            ``export.json`` or its name says.
        workers: Processes; 0 works in this one. A COCO file is read by one.
        progress: Shows how far it got.

    Raises:
        RefusedError: There is no such dataset, or its classes aren't known.
    """
    if path.is_file():
        classes, part = count_coco(path, progress('B', path.stat().st_size))
        return Tally(path.stem, classes, part, MASKS)
    if not path.is_dir():
        raise RefusedError(f'{path}: no such file or folder; give an annotated folder')
    meta, name = read_meta(path), path.resolve().name
    read = partial(_read_all, workers=workers, progress=progress)
    if meta is None:
        files, classes = _released(path), _released_classes(path, subset)
        counted = MASKS if all(each.semantic is None for each in files) else LABEL_MAPS
        return Tally(name, classes, read(files, _Chunk(_read_released, classes)), counted)
    classes, out = tuple(meta['classes']), folder.AnnotatedFolder(path)
    files = [Labels(out.path(folder.INSTANCES, stem), None) for stem in sorted(out.done())]
    if files:
        return Tally(name, classes, read(files, _Chunk(_read_record, classes)), LABEL_MAPS)
    part = _read_own_coco(out, classes, progress)
    maps = [Labels(None, file) for file in _files(out.root / folder.SEMANTIC, '.png')]
    if maps:
        counted = read(maps, _Chunk(_read_released, classes))
        part.pixels = counted.pixels
        part.problems += counted.problems
    return Tally(name, classes, part, LABEL_MAPS if maps else MASKS)


def _read_own_coco(out: folder.AnnotatedFolder, classes: tuple, progress: Progress) -> Part:
    """Read the COCO file of an annotated folder that was passed on without its records."""
    path = out.root / folder.ANNOTATIONS
    if not path.exists():
        raise RefusedError(
            f'{out.root}: neither {folder.INSTANCES}/*.json nor {path.name}; annotate it with '
            'sam_annotate.py'
        )
    found, part = count_coco(path, progress('B', path.stat().st_size))
    if found != classes:
        raise RefusedError(
            f'{path}: its classes {", ".join(found)} are not those of {out.meta}, '
            f'{", ".join(classes)}; write both with sam_annotate.py --finalise'
        )
    return part


def _released_classes(root: Path, subset: str | None) -> tuple[str, ...]:
    export = root / EXPORT_RECORD
    if subset is None and export.exists():
        try:
            return tuple(map(str, json.loads(export.read_bytes())['classes']))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RefusedError(f'{export}: not of export_dataset.py ({error})') from error
    name = root.resolve().name.lower()
    subset = subset or next((key for key in NAMED_CLASSES if name.startswith(key)), None)
    if subset is None:
        raise RefusedError(
            f'{root}: no {folder.META}, so a released folder; tell which with --subset '
            f'{", ".join(NAMED_CLASSES)}'
        )
    return NAMED_CLASSES[subset]


def _released(root: Path) -> list[Labels]:
    """Return the files of a released subset by image, sorted; not every image has both kinds."""
    maps, pickles = (
        next((root / name for name in names if (root / name).is_dir()), None)
        for names in (LABEL_FOLDERS, INSTANCE_FOLDERS)
    )
    if maps is None and pickles is None:
        raise RefusedError(
            f'{root}: no {folder.META}, and no such folder: '
            f'{", ".join((*LABEL_FOLDERS, *INSTANCE_FOLDERS))}; give an annotated folder or one '
            'subset of the release'
        )
    semantic = {path.stem: path for path in _files(maps, '.png')} if maps else {}
    instances = {path.stem: path for path in _files(pickles, '.pkl')} if pickles else {}
    stems = sorted(semantic.keys() | instances.keys())
    return [Labels(instances.get(stem), semantic.get(stem)) for stem in stems]


def _files(place: Path, suffix: str) -> list[Path]:
    names = os.listdir(place) if place.is_dir() else ()
    return sorted(place / n for n in names if n.endswith(suffix) and not n.startswith('.'))


def _read_all(files: Sequence[Labels], work: '_Chunk', workers: int, progress: Progress) -> Part:
    """Return what was read of all files, in their order."""
    chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    step, parts = progress('img', len(files)), []
    for chunk, part in zip(chunks, ordered_map(work, chunks, workers), strict=True):
        parts.append(part)
        step(len(chunk))
    return Part.merged(parts, len(work.classes))


class _Chunk:
    """Reads some images in any process; a damaged file becomes a problem."""

    def __init__(self, read: Callable[[Labels, Sequence[str]], Part], classes: Sequence[str]):
        self.read, self.classes = read, classes

    def __call__(self, chunk: Sequence[Labels]) -> Part:
        return Part.merged(map(self._safe, chunk), len(self.classes))

    def _safe(self, files: Labels) -> Part:
        try:
            return self.read(files, self.classes)
        except SamrsError as error:
            return Part.nothing(len(self.classes), str(error))


def _read_record(files: Labels, classes: Sequence[str]) -> Part:
    record = records.load(files.instances)
    try:
        image, boxes = record['image'], record['boxes']
        labels = np.array([box['category_id'] for box in boxes], np.int64) - 1
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
            raise ValueError(f'category_id beyond 1..{len(classes)}')
        polygons = np.array([box['polygon'] for box in boxes], float).reshape(-1, 4, 2)
        sizes = image['width'], image['height']
        column = box_column(
            labels, [box['status'] for box in boxes], [box['area'] for box in boxes],
            bounding_boxes(polygons), *sizes,
        )  # fmt: skip
        visible = [box['visible_area'] for box in boxes]
        pixels = np.bincount(labels, visible, minlength=len(classes))
        return Part.of_image(column, pixels, *sizes)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f'no {error}' if isinstance(error, KeyError) else str(error)
        raise LabelReadError(f'{files.instances}: damaged record: {reason}') from error


def _read_released(files: Labels, classes: Sequence[str]) -> Part:
    """Read a released image: pickle, label map, or both."""
    entries = load_released(files.instances) if files.instances else []
    labels = np.array([entry['label'] for entry in entries], np.int64)
    if len(labels) and labels.max() >= len(classes):
        raise LabelReadError(
            f'{files.instances}: label {labels.max()} is not in 0..{len(classes) - 1}; was it '
            'another --subset?'
        )
    areas = [area(entry['mask']) for entry in entries]
    if files.semantic:
        height, width, pixels = _count_pixels(files.semantic, classes)
    else:
        height, width = entries[0]['mask']['size'] if entries else (0, 0)
        pixels = np.bincount(labels, areas, minlength=len(classes))
    for number, entry in enumerate(entries):
        if entry['mask']['size'] != [height, width] or areas[number] > height * width:
            raise LabelReadError(
                f'{files.instances}: mask {number} of size {entry["mask"]["size"]} does not fit '
                f'the image of {height} x {width}'
            )
    hboxes = np.array([_hbox(entry) for entry in entries]).reshape(-1, 4)
    column = box_column(labels, [KEPT] * len(entries), areas, hboxes, width, height)
    return Part.of_image(column, pixels, width, height)


def _count_pixels(path: Path, classes: Sequence[str]) -> tuple[int, int, np.ndarray]:
    """Return height, width and the pixels of each class in a label map."""
    labels = read_label(path)
    counts = np.bincount(labels.ravel(), minlength=UNLABELLED + 1)
    odd = np.flatnonzero(counts[len(classes) : UNLABELLED])
    if len(odd):
        raise LabelReadError(
            f'{path}: pixel value {odd[0] + len(classes)}; allowed are 0..{len(classes) - 1} and '
            f'{UNLABELLED}'
        )
    return *labels.shape, counts[: len(classes)]


def _hbox(entry: dict) -> np.ndarray:
    if 'bbox' in entry or 'rhbox' in entry:
        return entry['bbox' if 'bbox' in entry else 'rhbox']
    return bounding_boxes(entry['rbox'][None])[0] if 'rbox' in entry else np.full(4, np.nan)
