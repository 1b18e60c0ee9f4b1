"""Datasets of FiftyOne, read by FiftyOne itself: its masks come back pixel by pixel.

Its exports trace masks anew; see ``retraced``.
"""

from collections.abc import Iterator
from datetime import timezone
from pathlib import Path, PureWindowsPath
from types import ModuleType
from typing import Any

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.corrections.shapes import EditedImage, EditError, Shape, rectangle

SAMPLES = 'samples.json'
"""File of a ``FiftyOneDataset`` on disk."""
BOX_ID = 'box_id'


def is_dataset_folder(root: Path) -> bool:
    """Whether a folder is a ``FiftyOneDataset`` on disk."""
    return (root / SAMPLES).is_file()


def read_fiftyone(path: Path) -> Iterator[EditedImage | EditError]:
    """Yield the images of a dataset: a ``FiftyOneDataset`` on disk, or the name of one.

    Raises:
        RefusedError: FiftyOne is not installed, its database does not start, or there is no such
            dataset, or none with detections.
    """
    fo = _fiftyone()
    try:
        if is_dataset_folder(path):
            dataset = fo.Dataset.from_dir(
                dataset_dir=str(path), dataset_type=fo.types.FiftyOneDataset, progress=False
            )
        else:
            dataset = fo.load_dataset(str(path))
    except Exception as error:  # of its database, of its readers, of mongoengine
        reason = ' '.join(str(error).split())
        raise RefusedError(f'{path}: FiftyOne: {type(error).__name__}: {reason:.300}') from error
    try:
        field = _field(fo, dataset, path)
        for sample in dataset.iter_samples(progress=False):
            yield _image(fo, sample, field, path)
    finally:
        if is_dataset_folder(path):
            dataset.delete()


def _fiftyone() -> ModuleType:
    try:
        import fiftyone
    except ImportError as error:
        raise RefusedError(
            f'datasets of FiftyOne need fiftyone ({error}); install it: pip install fiftyone. Its '
            'COCO exports are read without it'
        ) from error
    return fiftyone


def _field(fo: ModuleType, dataset: Any, path: Path) -> str:
    """Return the field with our detections: the one whose detections have a ``box_id``."""
    schema = dataset.get_field_schema(embedded_doc_type=fo.Detections)
    named = [name for name in schema if any(
        each is not None for each in dataset.distinct(f'{name}.detections.{BOX_ID}')
    )]  # fmt: skip
    found = named or list(schema)
    if len(found) != 1:
        what = f'detections in {", ".join(found)}' if found else 'no detections'
        raise RefusedError(
            f'{path}: {what}; expected them in one field, with {BOX_ID!r} of what was exported'
        )
    return found[0]


def _image(fo: ModuleType, sample: Any, field: str, path: Path) -> EditedImage | EditError:
    stem = PureWindowsPath(sample.filepath).stem
    try:
        about = sample.metadata
        if about is None or not about.width or not about.height:
            about = fo.ImageMetadata.build_for(sample.filepath)
        width, height = about.width, about.height
        if not width or not height:
            raise ValueError(f'{sample.filepath}: its size is not known')
        found = sample[field].detections if sample[field] is not None else []
        shapes = [_shape(each, f'{stem}: {field}[{n}]', width, height)
                  for n, each in enumerate(found)]  # fmt: skip
    except (OSError, ValueError) as error:
        return EditError(f'{path}: {error}')
    when = getattr(sample, 'last_modified_at', None)
    return EditedImage(
        path, stem, width, height, shapes, retraced=True,
        when=when.replace(tzinfo=timezone.utc).isoformat(timespec='seconds') if when else None,
    )  # fmt: skip


def _shape(detection: Any, place: str, width: int, height: int) -> Shape:
    """Return a detection as a mask, or its box where it has none."""
    box_id = getattr(detection, BOX_ID, None)
    facts: dict[str, Any] = dict(
        place=place, label=str(detection.label),
        box_id=box_id if isinstance(box_id, str) and box_id else None, group=place,
    )  # fmt: skip
    if detection.has_mask:
        pixels = detection.to_segmentation(frame_size=(width, height)).mask
        return Shape(**facts, mask=masks.encode(np.asarray(pixels) > 0))
    x, y, w, h = (float(each) for each in detection.bounding_box)
    ring = rectangle(x, y, x + w, y + h) * [width, height]
    return Shape(**facts, ring=ring, bare=True)
