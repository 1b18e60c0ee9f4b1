"""What a run would do, before it is started: images, boxes, embeddings, time, disk."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from samrs_mm.annotate.driver import SampleStream
from samrs_mm.annotate.embeddings import EmbeddingStore
from samrs_mm.annotate.job import AnnotationJob, Progress
from samrs_mm.annotate.writer import Sample
from samrs_mm.core.boxes import geometry
from samrs_mm.core.errors import ImageReadError, LabelReadError
from samrs_mm.core.images import image_size
from samrs_mm.core.prompts import prompt_boxes
from samrs_mm.core.tiling import Window
from samrs_mm.datasets.boxes.circumscribed import circumscribed_geometry
from samrs_mm.formats.annotated import ledger

_LABEL_FRACTION = 0.02
_TILE_FRACTION = 0.7
_TEXT_PER_BOX = 1200


@dataclass(frozen=True)
class Speed:
    """What a few images took to read, encode and store, and their prompted boxes to decode.

    Images without a prompt are only read. ``bytes_per_embedding`` is None without a store.
    """

    images: int
    boxes: int
    seconds_per_image: float
    seconds_per_encode: float
    seconds_per_box: float
    bytes_per_box: float
    bytes_per_embedding: int | None = None


@dataclass
class Work:
    """What there is to do: images with a prompt, and (box, image) pairs by status.

    ``ok`` of the ``statuses`` would be prompted, the others would not, and why.
    """

    prompted_images: int
    statuses: Counter


def work_of(job: AnnotationJob, progress: Progress = iter) -> Work:
    """Return what a job has to do, as labels and headers say."""
    if job.grid is not None:
        points = sum(job.grid.side[job.plan.place(tile)[0]] ** 2 for tile in job.plan.tiles)
        return Work(len(job.plan.tiles), Counter(ok=points))
    measure = circumscribed_geometry if job.setting.circumscribed else geometry
    counts: Counter = Counter()
    images = 0
    for index in progress(range(len(job.dataset))):
        scene = job.dataset.scenes[index]
        try:
            labels = job.dataset.labels(index)
            counts.update(problem.status for problem in labels.problems)
            if scene.image is None:
                counts[ledger.NO_IMAGE] += len(labels.boxes)
                continue
            width, height = image_size(job.dataset.image_path(index))
        except (LabelReadError, ImageReadError):
            counts[ledger.UNREADABLE] += 1
            continue
        counts[ledger.NO_LABEL] += scene.label is None
        shapes = measure(labels.boxes)
        tiles = job.plan.by_scene[index]
        rows = job.plan.assign(tiles, labels.boxes, shapes.polygons)
        for tile, chosen in zip(tiles, rows, strict=True):
            window = tile.window or Window(0, 0, width, height)
            part = shapes[chosen].shifted(-window.x, -window.y)
            size = min(window.width, width - window.x), min(window.height, height - window.y)
            boxes = [labels.boxes[i] for i in chosen]
            found = prompt_boxes(job.setting, boxes, part, *size, job.style)
            counts.update(found.statuses)
            images += len(found.chosen) > 0
        counts[ledger.UNTILED] += len(shapes) - len(set().union(*(row.tolist() for row in rows)))
    return Work(images, +counts)


def measure_speed(job: AnnotationJob, images: int = 3) -> Speed | None:
    """Annotate a few images, spread over the dataset, without writing; None if none works."""
    tiles = job.plan.tiles
    spread = sorted({int(i) for i in np.linspace(0, len(tiles) - 1, images)})
    done = boxes = size = encoded_images = 0
    read = encode = decode = 0.0
    embedding = None
    start = time.perf_counter()
    for sample in SampleStream(job.plan, [[tiles[i]] for i in spread], job.prompter):
        now = time.perf_counter()
        read += now - start
        if sample.image is not None and sample.prompt_count:
            encoded = job.segmentor.encode([sample.image])[0]
            middle = time.perf_counter()
            size += _bytes_of_masks(job.segmentor, encoded, sample)
            boxes += sample.prompt_count
            encoded_images += 1
            encode += middle - now
            decode += time.perf_counter() - middle
            embedding = job.store.bytes_of(encoded) if job.store else None
        done += sample.error is None
        start = time.perf_counter()
    if not done:
        return None
    if job.store and embedding is None:  # it has the same size whatever the image
        embedding = job.store.bytes_of(job.segmentor.encode([np.zeros((64, 64, 3), np.uint8)])[0])
    per_box = max(boxes, 1)
    return Speed(
        done, boxes, read / done, encode / max(encoded_images, 1), decode / per_box,
        size / per_box, embedding,
    )  # fmt: skip


def _bytes_of_masks(segmentor: Any, encoded: Any, sample: Sample) -> int:
    """Make the masks of a sample and return their length as text."""
    if sample.grid is not None:
        found = segmentor.propose(encoded, sample.grid, [])
        return sum(len(each.mask.segmentation['counts']) for each in found)
    chunks = segmentor.decode(encoded, sample.prompted[0].prompts)
    return sum(len(coded['counts']) for chunk in chunks for coded in chunk.encoded())


@dataclass(frozen=True)
class StoreSize:
    """What a store of embeddings will hold: files that are there, all files, bytes, bytes free."""

    there: int
    images: int
    bytes_more: int
    bytes_free: int


def store_size(job: AnnotationJob, store: EmbeddingStore, work: Work, speed: Speed) -> StoreSize:
    """Return how large a job's store will be."""
    there = sum(store.has(tile.stem) for tile in job.plan.tiles)
    more = max(work.prompted_images - there, 0) * (speed.bytes_per_embedding or 0)
    return StoreSize(there, work.prompted_images, more, store.free())


def disk_bytes(job: AnnotationJob, images: int, prompted: int, speed: Speed) -> int:
    """Estimate the bytes of a finished folder of so many images and prompted boxes."""
    scene = job.dataset.image_path(job.plan.tiles[0].scene)
    width, height = (job.tile.size,) * 2 if job.tile else image_size(scene)
    per_image = width * height * (_LABEL_FRACTION + (3 * _TILE_FRACTION if job.tile else 0))
    return int(images * per_image + prompted * (2 * speed.bytes_per_box + _TEXT_PER_BOX))
