"""Background writing of finished images: label map first, record last."""

import errno
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from samrs_mm.annotate.samples import Sample
from samrs_mm.core.errors import SamrsError, describe
from samrs_mm.core.images import write_png
from samrs_mm.core.masks import Mask
from samrs_mm.core.quality import MaskFilters
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_IN_A_ROW = 8


Masks = Sequence[Sequence[Mask]]
"""For each of ``sample.prompted`` the masks of its prompts, in order."""


class RecordWriter:
    """Commits images from a few threads, never more than ``pending`` ahead of the disk.

    Args:
        out: The annotated folder.
        signature: Signature that goes into every record.
        complete: Enters the masks into a sample's record, and writes all files but the record.
        threads: Writing threads.
        pending: Images that may wait; ``commit`` blocks beyond.

    Attributes:
        statuses: Count of boxes by status, of the images committed so far.
        images: Number of images committed.
        failures: One line for each image that failed.
    """

    def __init__(
        self,
        out: AnnotatedFolder,
        signature: str,
        complete: Callable[[Sample, Masks], None],
        threads: int = 2,
        pending: int = 8,
    ):
        self.out, self.signature, self.complete = out, signature, complete
        self.statuses: Counter[str] = Counter()
        self.images = 0
        self.failures: list[str] = []
        self._full_in_a_row = 0
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(pending)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix='writer')

    def __enter__(self) -> 'RecordWriter':
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    def commit(self, sample: Sample, masks: Masks) -> None:
        """Queue a finished image.

        Args:
            sample: The image; its pixels are no longer needed.
            masks: Its masks.

        Raises:
            SamrsError: The disk has been full for many images in a row; going on is no use.
        """
        self._submit(self._commit, sample, masks)

    def fail(self, sample: Sample, error: str) -> None:
        """Queue the record of a failure; the next run tries the image again."""
        self._submit(self._fail, sample, error)

    def _submit(self, work: Callable, sample: Sample, payload: Any) -> None:
        if self._full_in_a_row >= _FULL_IN_A_ROW:
            raise SamrsError(
                f'{self.out.root}: no space left on the device, {self._full_in_a_row} images in a '
                'row could not be written; free some and run the same command to go on'
            )
        sample.image = None
        sample.record.signature = self.signature
        self._slots.acquire()
        self._pool.submit(self._guarded, work, sample, payload)

    def _guarded(self, work: Callable, sample: Sample, payload: Any) -> None:
        try:
            work(sample, payload)
        finally:
            self._slots.release()

    def _commit(self, sample: Sample, masks: Masks) -> None:
        try:
            self.complete(sample, masks)
            sample.record.write(self.out.path(folder.INSTANCES, sample.tile.stem))
            self.out.path(folder.FAILED, sample.tile.stem).unlink(missing_ok=True)
        except Exception as error:  # noqa: BLE001 (whatever it was, only this image is lost)
            self._fail(sample, describe(error))
            self._count_full(error)
            return
        with self._lock:
            self._full_in_a_row = 0
            self.images += 1
            self.statuses.update(box.status for box in sample.record.boxes)

    def _fail(self, sample: Sample, error: str) -> None:
        error = error.replace(f'{self.out.root}/', '')
        path = self.out.path(folder.FAILED, sample.tile.stem)
        lines = [error]
        try:
            sample.record.fail(error)
            sample.record.write(path)
        except Exception as second:  # noqa: BLE001 (a thread's exception would go unseen)
            self._count_full(second)
            if not _is_full(second):
                lines.append(f'{path}: cannot record the failure: {describe(second)}')
        with self._lock:
            self.failures += lines

    def _count_full(self, error: BaseException) -> None:
        if _is_full(error):
            with self._lock:
                self._full_in_a_row += 1


def _is_full(error: BaseException) -> bool:
    return getattr(error, 'errno', None) in _FULL


class LabelMapWriter:
    """Enters masks into records, decides which are kept, and writes the label maps.

    Args:
        out: The annotated folder.
        policy: Overlap policy of the label maps.
        filters: Limits that masks must keep.
    """

    def __init__(self, out: AnnotatedFolder, policy: str, filters: MaskFilters):
        self.out, self.policy, self.filters = out, policy, filters

    def __call__(self, sample: Sample, masks: Masks) -> None:
        """Complete a sample's record, but for its signature; write its label map."""
        record = sample.record
        for boxes, found in zip(sample.prompted, masks, strict=True):
            for position, mask in zip(boxes.chosen, found, strict=True):
                record.boxes[position].enter_mask(mask, 'the segmentor returned no pixel')
        record.apply_filters(self.filters)
        write_png(self.out.path(folder.SEMANTIC, sample.tile.stem), record.paint(self.policy))
