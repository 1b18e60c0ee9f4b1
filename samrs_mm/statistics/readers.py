"""Reads what segmentation datasets hold: annotated folders, the SAMRS release, COCO files."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.annotate.exporter import RECORD as EXPORT_RECORD
from samrs_mm.core import masks
from samrs_mm.core.atomic import load
from samrs_mm.core.boxes import bounding_boxes
from samrs_mm.core.classes import NAMED_CLASSES, UNLABELLED
from samrs_mm.core.errors import LabelReadError, RefusedError, SamrsError
from samrs_mm.core.parallel import ordered_map
from samrs_mm.datasets.boxes.released import INSTANCE_FOLDERS
from samrs_mm.datasets.segmentation.image_index import LABEL_FOLDERS, read_meta
from samrs_mm.datasets.transforms.pixels import read_label
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import KEPT
from samrs_mm.formats.annotated.folder import INSTANCES, META, SEMANTIC, AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.released import load_released
from samrs_mm.statistics.coco_counts import count_coco
from samrs_mm.statistics.dataset_stats import Counts, DatasetStats, box_table

LABEL_MAPS, MASKS = 'label maps', 'masks, overlaps counted in each'
"""What pixels of a class may be counted in."""

Progress = Callable[[str, int], Callable[[int], object]]
"""Called with a unit and a total, returns what is called with each step."""

Files = tuple[Any, Any]
"""Of one image: path of its record or its pickle, and of its label map, or None."""


def read_stats(
    path: Path, subset: str | None = None, workers: int = 0, progress: Progress = lambda *_: int
) -> DatasetStats:
    """Count what a segmentation dataset holds.

    What can't be read is named in the result's ``counts.problems`` and left out.

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
        classes, counts = count_coco(path, progress('B', path.stat().st_size))
        return DatasetStats(path.stem, classes, counts, MASKS)
    if not path.is_dir():
        raise RefusedError(f'{path}: no such file or folder; give an annotated folder')
    meta, name = read_meta(path), path.resolve().name
    read = partial(_read_all, workers=workers, progress=progress)
    if meta is None:
        files, classes = _released_files(path), _released_classes(path, subset)
        counted = LABEL_MAPS if any(label_map for _, label_map in files) else MASKS
        return DatasetStats(name, classes, read(files, _count_released, classes), counted)
    classes, out = tuple(meta['classes']), AnnotatedFolder(path)
    records = [(out.path(INSTANCES, stem), None) for stem in sorted(out.listed())]
    if records:
        return DatasetStats(name, classes, read(records, _count_record, classes), LABEL_MAPS)
    counts = _count_own_coco(out, classes, progress)
    maps = [(None, file) for file in _files(out.root / SEMANTIC, '.png')]
    if maps:
        of_maps = read(maps, _count_released, classes)
        counts.pixels = of_maps.pixels
        counts.problems += of_maps.problems
    return DatasetStats(name, classes, counts, LABEL_MAPS if maps else MASKS)


def _count_own_coco(out: AnnotatedFolder, classes: tuple, progress: Progress) -> Counts:
    """Count the COCO file of an annotated folder that was passed on without its records."""
    path = out.root / folder.ANNOTATIONS
    if not path.exists():
        raise RefusedError(
            f'{out.root}: neither {INSTANCES}/*.json nor {path.name}; annotate it with '
            'sam_annotate.py'
        )
    found, counts = count_coco(path, progress('B', path.stat().st_size))
    if found != classes:
        raise RefusedError(
            f'{path}: its classes {", ".join(found)} are not those of {out.root / META}, '
            f'{", ".join(classes)}; write both with sam_annotate.py --finalise'
        )
    return counts


def _released_classes(root: Path, subset: str | None) -> tuple[str, ...]:
    export = root / EXPORT_RECORD
    if subset is None and export.exists():
        try:
            return tuple(map(str, load(export.read_bytes())['classes']))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RefusedError(f'{export}: not of export_dataset.py ({error})') from error
    name = root.resolve().name.lower()
    subset = subset or next((key for key in NAMED_CLASSES if name.startswith(key)), None)
    if subset is None:
        raise RefusedError(
            f'{root}: no {META}, so a released folder; say which with --subset '
            f'{", ".join(NAMED_CLASSES)}'
        )
    return NAMED_CLASSES[subset]


def _released_files(root: Path) -> list[Files]:
    """Return the files of a released subset, by image."""
    maps, pickles = (
        next((root / name for name in names if (root / name).is_dir()), None)
        for names in (LABEL_FOLDERS, INSTANCE_FOLDERS)
    )
    if maps is None and pickles is None:
        raise RefusedError(
            f'{root}: no {META}, and no such folder: '
            f'{", ".join((*LABEL_FOLDERS, *INSTANCE_FOLDERS))}; give an annotated folder or one '
            'subset of the release'
        )
    label_maps = {path.stem: path for path in _files(maps, '.png')}
    instances = {path.stem: path for path in _files(pickles, '.pkl')}
    stems = sorted(label_maps.keys() | instances.keys())
    return [(instances.get(stem), label_maps.get(stem)) for stem in stems]


def _files(place: Path | None, suffix: str) -> list[Path]:
    paths = place.glob(f'*{suffix}') if place else ()
    return sorted(path for path in paths if not path.name.startswith('.'))


def _read_all(
    files: Sequence[Files],
    count: Callable[[Files, Sequence[str]], Counts],
    classes: Sequence[str],
    workers: int,
    progress: Progress,
) -> Counts:
    """Return what all images hold, in their order; a ``SamrsError`` becomes a problem."""
    step, counts = progress('img', len(files)), []
    work = partial(_count_image, count=count, classes=classes)
    for counted in ordered_map(work, files, workers):
        counts.append(counted)
        step(1)
    return Counts.merged(counts, len(classes))


def _count_image(files: Files, count: Callable, classes: Sequence[str]) -> Counts:
    try:
        return count(files, classes)
    except SamrsError as error:
        return Counts.empty(len(classes), str(error))


def _count_record(files: Files, classes: Sequence[str]) -> Counts:
    path, _ = files
    record = Record.load(path)
    image, boxes = record.image, record.boxes
    try:
        labels = np.array([box.label for box in boxes], np.int64)
        if len(labels) and labels.max() >= len(classes):
            raise ValueError(f'category_id beyond 1..{len(classes)}')
        polygons = np.array([box.corners for box in boxes]).reshape(-1, 4, 2)
        table = box_table(
            labels, [box.status for box in boxes], [box.area for box in boxes],
            bounding_boxes(polygons), image.width, image.height,
        )  # fmt: skip
        visible = [box.visible_area for box in boxes]
        pixels = np.bincount(labels, visible, minlength=len(classes))
        return Counts.of_image(table, pixels, image.width, image.height)
    except (KeyError, ValueError, OverflowError) as error:
        raise LabelReadError(f'{path}: damaged record: {error}') from error


def _count_released(files: Files, classes: Sequence[str]) -> Counts:
    """Count a released image by its pickle, its label map, or both."""
    pickle, label_map = files
    entries = load_released(pickle) if pickle else []
    labels = np.array([entry['label'] for entry in entries], np.int64)
    if len(labels) and labels.max() >= len(classes):
        raise LabelReadError(
            f'{pickle}: label {labels.max()} is not in 0..{len(classes) - 1}; was it another '
            '--subset?'
        )
    areas = [masks.area(entry['mask']) for entry in entries]
    if label_map:
        height, width, pixels = _count_pixels(label_map, classes)
    else:
        height, width = entries[0]['mask']['size'] if entries else (0, 0)
        pixels = np.bincount(labels, areas, minlength=len(classes))
    for number, entry in enumerate(entries):
        if entry['mask']['size'] != [height, width] or areas[number] > height * width:
            raise LabelReadError(
                f'{pickle}: mask {number} of size {entry["mask"]["size"]} does not fit the image '
                f'of {height} x {width}'
            )
    hboxes = np.array([_hbox(entry) for entry in entries]).reshape(-1, 4)
    table = box_table(labels, [KEPT] * len(entries), areas, hboxes, width, height)
    return Counts.of_image(table, pixels, width, height)


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
