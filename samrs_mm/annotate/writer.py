"""Background writing of finished images: label map first, record last."""

import errno
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from samrs_mm.annotate.samples import Sample
from samrs_mm.core import compositing, masks, quality
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import SamrsError, describe
from samrs_mm.core.images import write_png
from samrs_mm.core.quality import MaskFilters
from samrs_mm.core.resumable import dump
from samrs_mm.formats.annotated import folder, records
from samrs_mm.formats.annotated.folder import AnnotatedFolder

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_IN_A_ROW = 8


@dataclass(frozen=True)
class MaskResult:
    """One prompt's mask, already run-length coded, with its score and stability (or None)."""

    segmentation: dict
    score: float | None
    stability: float | None


class ResultWriter:
    """Commits images from a few threads, never more than ``pending`` ahead of the disk.

    Args:
        out: The annotated folder.
        signature: Signature that goes into every record.
        policy: Overlap policy of the label map.
        threads: Writing threads.
        pending: Images that may wait; ``commit`` blocks beyond.
        filters: Limits that masks must keep.

    Attributes:
        statuses: Count of boxes by status, of the images committed so far.
        images: Number of images committed.
        failures: One line for each image that failed.
    """

    def __init__(
        self,
        out: AnnotatedFolder,
        signature: str,
        policy: str,
        threads: int = 2,
        pending: int = 8,
        filters: MaskFilters | None = None,
    ):
        self.out, self.signature = out, signature
        self.policy, self.filters = policy, filters or MaskFilters()
        self.statuses: Counter[str] = Counter()
        self.images = 0
        self.failures: list[str] = []
        self._full_in_a_row = 0
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(pending)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix='writer')

    def __enter__(self) -> 'ResultWriter':
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    def commit(self, sample: Sample, masks: Sequence[MaskResult]) -> None:
        """Queue a finished image.

        Args:
            sample: The image; its pixels are no longer needed.
            masks: One result for each of ``sample.prompted``.

        Raises:
            SamrsError: The disk has been full for many images in a row; going on is no use.
        """
        self._submit(self._commit, sample, masks)

    def fail(self, sample: Sample, error: str) -> None:
        """Queue the record of a failure; the image is tried again by the next run."""
        self._submit(self._fail, sample, error)

    def _submit(self, work: Callable, sample: Sample, payload: Any) -> None:
        if self._full_in_a_row >= _FULL_IN_A_ROW:
            raise SamrsError(
                f'{self.out.root}: no space left on the device, {self._full_in_a_row} images in a '
                'row could not be written; free some and run the same command to go on'
            )
        sample.image = None
        self._slots.acquire()
        self._pool.submit(self._guarded, work, sample, payload)

    def _guarded(self, work: Callable, sample: Sample, payload: Any) -> None:
        try:
            work(sample, payload)
        finally:
            self._slots.release()

    def _commit(self, sample: Sample, masks: Sequence[MaskResult]) -> None:
        try:
            self._store(sample, masks)
            self._write_record(folder.INSTANCES, sample)
            self.out.path(folder.FAILED, sample.unit.stem).unlink(missing_ok=True)
        except Exception as error:  # noqa: BLE001 (whatever it was, only this image is lost)
            self._fail(sample, describe(error))
            self._count_full(error)
            return
        with self._lock:
            self._full_in_a_row = 0
            self.images += 1
            self.statuses.update(box['status'] for box in sample.boxes)

    def _store(self, sample: Sample, masks: Sequence[MaskResult]) -> None:
        """Enter the masks into the sample, and write all its files but the record."""
        _enter(sample, masks)
        semantic = paint(sample.entry, sample.boxes, self.filters, self.policy)
        write_png(self.out.path(folder.SEMANTIC, sample.unit.stem), semantic)

    def _fail(self, sample: Sample, error: str) -> None:
        error = error.replace(f'{self.out.root}/', '')
        with self._lock:
            self.failures.append(error)
        for box in sample.boxes:
            box.update(status=records.FAILED, reason='', segmentation=None, bbox=None, score=None)
            box.update(stability=None, area=0, visible_area=0)
            box.update(dict.fromkeys(quality.MEASURES))
        try:
            self._write_record(folder.FAILED, sample, error=error)
        except OSError as second:
            self._count_full(second)

    def _count_full(self, error: BaseException) -> None:
        if getattr(error, 'errno', None) in _FULL:
            with self._lock:
                self._full_in_a_row += 1

    def _write_record(self, kind: str, sample: Sample, **extra: str) -> None:
        record = dict(image=sample.entry, signature=self.signature, boxes=sample.boxes, **extra)
        atomic_write(self.out.path(kind, sample.unit.stem), dump(record))


def _enter(sample: Sample, results: Sequence[MaskResult]) -> None:
    """Enter the masks and their measures into the sample's boxes."""
    for position, result in zip(sample.prompted, results, strict=True):
        box = sample.boxes[position]
        box.update(score=result.score, stability=result.stability)
        area = masks.area(result.segmentation)
        if not area:
            box.update(status=records.EMPTY, reason='the segmentor returned no pixel')
            continue
        box.update(
            status=records.KEPT,
            area=area,
            bbox=masks.bbox(result.segmentation),
            segmentation=result.segmentation,
        )
        box.update(quality.measure(result.segmentation, box['polygon'], box['prompt_box']))


def paint(entry: dict, boxes: list[dict], filters: MaskFilters, policy: str) -> np.ndarray:
    """Judge the masks of an image by the filters and paint those that pass.

    Args:
        entry: The ``image`` part of the record.
        boxes: Its boxes, with masks and measures; status, reason and visible area are set.
        filters: Limits that masks must keep.
        policy: Overlap policy.

    Returns:
        The label map ``(H, W)`` uint8.
    """
    kept = []
    for box in boxes:
        if box['segmentation'] is None:
            continue
        reason = filters.reason(SimpleNamespace(**box))
        status = records.FILTERED if reason else records.KEPT
        box.update(status=status, reason=reason, visible_area=0)
        if not reason:
            kept.append(box)
    instances = [
        SimpleNamespace(
            label=box['category_id'] - 1,
            segmentation=box['segmentation'],
            area=box['area'],
            score=box['score'],
        )
        for box in kept
    ]
    semantic, visible = compositing.compose(instances, entry['height'], entry['width'], policy)
    for box, pixels in zip(kept, visible, strict=True):
        box['visible_area'] = pixels
    return semantic
