"""What a run would do, before it is begun: images, boxes, time, disk."""

import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from samrs_mm.annotate.job import AnnotationJob, Progress
from samrs_mm.annotate.samples import SampleStream, enclosing_boxes
from samrs_mm.core import boxes as box_ops
from samrs_mm.core import masks, tiling
from samrs_mm.core.boxes import geometry
from samrs_mm.core.errors import ImageReadError, LabelReadError
from samrs_mm.core.images import image_size
from samrs_mm.formats.annotated import ledger

_LABEL_SHARE = 0.02
_TILE_SHARE = 0.7
_TEXT_PER_BOX = 1200


@dataclass(frozen=True)
class Trial:
    """Measured on a few images: seconds an image, seconds a box, bytes an image."""

    images: int
    boxes: int
    seconds_per_image: float
    seconds_per_box: float
    bytes_per_box: float


def box_statuses(job: AnnotationJob, progress: Progress = iter) -> Counter:
    """Return how many (box, image) pairs would be prompted (``ok``) or not, and why not."""
    counts: Counter = Counter()
    for index in progress(range(len(job.dataset))):
        scene = job.dataset.scenes[index]
        try:
            labels = job.dataset.labels(index)
            counts[ledger.MALFORMED] += len(labels.problems)
            if scene.image is None:
                counts[ledger.NO_IMAGE] += len(labels.boxes)
                continue
            width, height = image_size(job.dataset.root / scene.image)
        except (LabelReadError, ImageReadError):
            counts[ledger.UNREADABLE] += 1
            continue
        counts[ledger.NO_LABEL] += scene.label is None
        shapes = geometry(labels.boxes)
        if job.tile is None:
            boxes = enclosing_boxes(job.setting, shapes)
            counts.update(box_ops.box_statuses(boxes, shapes.polygons, width, height)[0])
            continue
        tiles = tiling.windows(width, height, job.tile)
        assigned = tiling.assign(shapes.polygons, tiles, job.tile.iof)
        for tile, chosen in zip(tiles, assigned, strict=True):
            part = shapes[chosen].shifted(-tile.x, -tile.y)
            size = min(tile.width, width - tile.x), min(tile.height, height - tile.y)
            counts.update(
                box_ops.box_statuses(enclosing_boxes(job.setting, part), part.polygons, *size)[0]
            )
        counts[ledger.UNTILED] += len(shapes) - len(np.unique(np.concatenate(assigned)))
    return +counts


def trial(job: AnnotationJob, images: int = 3) -> Trial | None:
    """Annotate a few images, spread over the dataset, without writing; None if none works."""
    units = job.plan.units
    spread = sorted({int(i) for i in np.linspace(0, len(units) - 1, images)})
    done = boxes = size = 0
    image_seconds = box_seconds = 0.0
    start = time.perf_counter()
    for sample in SampleStream(job.plan, [[units[i]] for i in spread], job.setting, None):
        if sample.prompts is not None:
            encoded = job.segmentor.encode([sample.image])[0]
            middle = time.perf_counter()
            for chunk in job.segmentor.decode(encoded, sample.prompts):
                size += sum(len(masks.encode(mask)['counts']) for mask in chunk.masks)
            boxes += len(sample.prompts)
            box_seconds += time.perf_counter() - middle
            image_seconds += middle - start
        elif sample.error is None:
            image_seconds += time.perf_counter() - start
        done += sample.error is None
        start = time.perf_counter()
    if not done:
        return None
    per_box = max(boxes, 1)
    return Trial(done, boxes, image_seconds / done, box_seconds / per_box, size / per_box)


def disk_bytes(job: AnnotationJob, images: int, prompted: int, sample: Trial) -> int:
    """Estimate the bytes of a finished folder.

    Args:
        job: The surveyed job.
        images: Number of output images.
        prompted: Number of boxes that will be prompted.
        sample: A trial, for the size of the masks.
    """
    first = job.plan.units[0]
    scene = job.dataset.root / job.dataset.scenes[first.scene].image
    width, height = (job.tile.size,) * 2 if job.tile else image_size(scene)
    per_image = width * height * (_LABEL_SHARE + (3 * _TILE_SHARE if job.tile else 0))
    return int(images * per_image + prompted * (2 * sample.bytes_per_box + _TEXT_PER_BOX))
