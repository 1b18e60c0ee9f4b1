"""Re-read an annotated folder and everything it was made from, and compare."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
from PIL import Image
from pycocotools.coco import COCO

from samrs_mm.annotate.changes import MASK_KEYS
from samrs_mm.annotate.correcting import correct
from samrs_mm.annotate.driver import SampleStream
from samrs_mm.annotate.finalise import Finaliser
from samrs_mm.annotate.totals import Totals
from samrs_mm.annotate.writer import MaskFilters, Sample
from samrs_mm.core import masks
from samrs_mm.core.atomic import dump, load
from samrs_mm.core.boxes import OK
from samrs_mm.core.errors import describe
from samrs_mm.core.images import SceneImage, file_sha256
from samrs_mm.core.resumable import differences
from samrs_mm.core.wording import counted
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import EMPTY, FILTERED, KEPT, REGIONS
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record, RecordError
from samrs_mm.formats.corrections.applying import restore


def check_tile(
    out: AnnotatedFolder,
    filters: MaskFilters,
    policy: str,
    images: bool,
    classes: Sequence[str],
    sample: Sample,
) -> list[str]:
    """Compare the files of a tile with what is read again; return what is wrong, line by line.

    Its masks are filtered, corrected and painted again, by the folder's filters, corrections and
    overlap policy. ``images`` is whether the folder has pictures of its own.
    """
    if sample.error:
        return [sample.error]
    stem = sample.tile.stem
    path = out.path(folder.INSTANCES, stem)
    try:
        record, stated = Record.load_checked(path), Record.load(path)
        restore(record)
        if sample.grid is not None:
            sample.record.boxes = record.boxes  # no label tells which there are
        problems = _check_record(sample.record, record)
        problems += _measure_again(record, filters)
        correct(record, out, stem, classes)
        labels = record.paint(policy)
        problems += _compare_boxes(stated, record)
        with Image.open(out.path(folder.SEMANTIC, stem), formats=('PNG',)) as png:
            form = png.format, png.mode
            if form != ('PNG', 'L') or not np.array_equal(np.asarray(png), labels):
                problems.append('the label map is not what the masks of the record give')
        if images and sample.image is not None:
            tile = SceneImage(out.path(folder.IMAGES, stem)).read()
            if not np.array_equal(tile, sample.image):
                problems.append('its picture is not what the scene gives')
    except RecordError as error:
        return [str(error)]
    except Exception as error:  # noqa: BLE001 (a damaged file may fail in any way)
        problems = [f'{type(error).__name__}: {error}']
    return [f'{path}: {problem}' for problem in problems]


def _measure_again(record: Record, filters: MaskFilters) -> list[str]:
    """Measure and filter the machine's masks again; return those that are missing."""
    problems = []
    for box in record.boxes:
        if box.status in REGIONS:
            continue  # compared with the labels
        if box.segmentation is not None:
            box.area = masks.area(box.segmentation)
            box.bbox = masks.bbox(box.segmentation)
            box.measure()
        elif box.status in (KEPT, FILTERED):
            problems.append(f'{box.box_id}: status {box.status}, but no mask')
    filters.apply(record)
    return problems


def _compare_boxes(stated: Record, record: Record) -> list[str]:
    """Compare the boxes of a record with those that were made again, corrections and all."""
    if len(stated.boxes) != len(record.boxes):
        return [f'{counted(len(stated.boxes), "box")}, with corrections {len(record.boxes)}']
    problems = differences(
        dict(corrections=stated.corrections), dict(corrections=record.corrections)
    )
    for before, box in zip(stated.boxes, record.boxes, strict=True):
        lines = differences(before.as_dict(), box.as_dict())
        problems += [f'{box.box_id}: {line}' for line in lines]
    return problems


def _check_record(fresh: Record, record: Record) -> list[str]:
    """Compare a record with one that was made again, but for the masks."""
    image = record.image.as_dict()
    image['notes'] = image['notes'][: len(fresh.image.notes)]  # the segmentor's follow
    problems = [f'image.{line}' for line in differences(image, fresh.image.as_dict())]
    if len(record.boxes) != len(fresh.boxes):
        return [
            *problems,
            f'{counted(len(record.boxes), "box")}, the labels give {len(fresh.boxes)}',
        ]
    for box, expected in zip(record.boxes, fresh.boxes, strict=True):
        allowed = (KEPT, EMPTY, FILTERED) if expected.status == OK else (expected.status,)
        if box.status not in allowed:
            problems.append(f'{box.box_id}: status {box.status}, not {allowed[0]}')
        found, wanted = box.as_dict(), expected.as_dict()
        for name in () if expected.status in REGIONS else MASK_KEYS:
            del found[name], wanted[name]
        problems += [f'{box.box_id}: {line}' for line in differences(found, wanted)]
    return problems


class _HashSink:
    """A file that keeps only the hash of what is written."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.write = self.hash.update


def verify(
    samples: SampleStream,
    finaliser: Finaliser,
    check: Callable[[Sample], list[str]],
    workers: int = 0,
    progress: Callable[[Iterable], Iterator] = iter,
) -> tuple[list[str], Totals]:
    """Re-read labels, images, records, label maps, ledger and COCO file, and reconcile them.

    Args:
        samples: The images that are done, as they are read again.
        finaliser: Makes the set-level files again, for comparison.
        check: ``check_tile`` of the folder, which ``workers`` processes call.
        workers: How many; 0 checks in this one.
        progress: Wraps the iterator over images.

    Returns:
        What is wrong, one line each, and the totals of the ledger.
    """
    problems = [line for found in progress(samples.read(workers, check)) for line in found]
    out = finaliser.out
    sinks: dict[str, Any] = {name: _HashSink() for name in finaliser.lists}
    totals = finaliser.render(*sinks.values())
    problems += totals.problems
    for name, sink in sinks.items():
        path = out.root / name
        if not path.exists():
            problems.append(f'{path}: missing; --finalise writes it')
        elif file_sha256(path) != sink.hash.hexdigest():
            problems.append(f'{path}: not what labels and records give; --finalise writes it again')
    meta, expected = load(out.meta.read_bytes()), finaliser.meta(totals)
    for ignored in ('versions', 'config', folder.DATA_ROOT, folder.ONLY, folder.FIT):
        meta.pop(ignored, None), expected.pop(ignored, None)
    expected = json.loads(dump(expected))
    problems += [f'{out.meta}: {line}' for line in differences(meta, expected)]
    foreign = out.foreign({tile.stem for tile in finaliser.plan.tiles})
    problems += [f'{out.root / name}: not a file of this dataset' for name in foreign]
    if (out.root / folder.ANNOTATIONS).exists():
        problems += _check_coco(finaliser, totals)
    return problems, totals


def _check_coco(finaliser: Finaliser, totals: Totals) -> list[str]:
    """Load the COCO file with COCO's own reader, as its users will."""
    path = finaliser.out.root / folder.ANNOTATIONS
    try:
        with redirect_stdout(StringIO()):
            coco = COCO(str(path))
            annotations = coco.dataset['annotations']
    except Exception as error:  # noqa: BLE001 (whatever pycocotools stumbles over)
        return [f'{path}: pycocotools cannot read it: {describe(error)}']
    problems = []
    if len(coco.anns) != len(annotations):
        problems.append(f'{path}: annotation ids are not unique')
    if len(annotations) != totals.annotations:
        problems.append(
            f'{path}: {len(annotations)} annotations, {totals.annotations} kept boxes and regions'
        )
    return problems
