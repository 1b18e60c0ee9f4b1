"""The annotation driver: a plain loop over images that a bad image never ends.

Images are written in the background, label map first, record last.
"""

import errno
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from tqdm import tqdm

from samrs_mm.annotate.samples import Sample, SampleStream
from samrs_mm.core import masks as mask_ops
from samrs_mm.core.errors import SamrsError, describe
from samrs_mm.core.images import write_png
from samrs_mm.core.masks import Mask
from samrs_mm.core.prompts import PromptBatch
from samrs_mm.core.quality import MaskFilters
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_IN_A_ROW = 8


Masks = Sequence[Sequence[Mask]]
"""For each of ``sample.prompted`` the masks of its prompts, in order."""


@dataclass(frozen=True)
class RunResult:
    """What a pass over some images came to.

    Args:
        images: Images committed in this run.
        skipped: Images that were done before.
        failures: One line for each image that failed.
        statuses: Boxes of the committed images by status.
    """

    images: int
    skipped: int
    failures: tuple[str, ...]
    statuses: dict[str, int]


@dataclass(frozen=True)
class Segmented:
    """A sample with what the segmentor made of it.

    Args:
        sample: The sample.
        masks: Its masks; empty for a sample without prompts.
        error: Why it has none, in one line; None if it was segmented.
    """

    sample: Sample
    masks: Masks = ()
    error: str | None = None


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


class Annotator:
    """Runs a prompt segmentor over a stream of samples and commits what it returns.

    ::

        stream ──► segment ──► writer.commit   masks into the record, label map, record last
        (workers)     │   └──► writer.fail     a failure's record; the next run tries again
                      ├─ segmentor.encode      once for each pass of images
                      └─ segmentor.decode      for each image and prompt setting

    Args:
        stream: The samples.
        segmentor: A loaded segmentor.
        writer: What becomes of the masks.
        workers: Processes that read ahead; 0 reads in this process.
    """

    def __init__(
        self,
        stream: SampleStream,
        segmentor: PromptSegmentor,
        writer: RecordWriter,
        workers: int = 0,
    ):
        self.stream, self.segmentor, self.writer, self.workers = stream, segmentor, writer, workers

    def run(self) -> RunResult:
        """Do all samples of the stream.

        Raises:
            SamrsError: The disk is full; what was committed is safe.
        """
        count, prompts = len(self.stream), 0
        samples = self.stream.read(self.workers)
        with (
            self.writer as writer,
            tqdm(total=count, unit='img', disable=not count, mininterval=0.5) as bar,
        ):
            for batch in _batched(samples, self.segmentor.images_per_pass):
                for result in segment(self.segmentor, batch):
                    if result.error is None:
                        writer.commit(result.sample, result.masks)
                    else:
                        writer.fail(result.sample, result.error)
                prompts += sum(sample.prompt_count for sample in batch)
                bar.set_postfix_str(f'{prompts} boxes', refresh=False)
                bar.update(len(batch))
        return RunResult(
            writer.images, self.stream.skipped, tuple(writer.failures), dict(writer.statuses)
        )


def segment(segmentor: PromptSegmentor, batch: list[Sample]) -> Iterator[Segmented]:
    """Yield each sample with its masks, or with the line that says why it has none.

    Args:
        segmentor: A loaded segmentor.
        batch: At most ``segmentor.images_per_pass`` samples.
    """
    prompted = [sample for sample in batch if sample.error is None and sample.prompt_count]
    encoded, failure = {}, None
    try:
        if prompted:
            codes = segmentor.encode([sample.image for sample in prompted])
            encoded = {s.tile.index: code for s, code in zip(prompted, codes, strict=True)}
    except Exception as error:  # noqa: BLE001 (stands in the ledger; the loop goes on)
        failure = error
    for sample in batch:
        if sample.error is not None:
            yield Segmented(sample, error=sample.error)
        elif not sample.prompt_count:
            yield Segmented(sample, [()] * len(sample.prompted))
        elif failure is not None:
            yield Segmented(sample, error=_failed(sample, failure))
        else:
            yield _decoded(segmentor, sample, encoded.pop(sample.tile.index))


def _failed(sample: Sample, error: Exception) -> str:
    return f'{sample.record.image.path}: the segmentor failed: {describe(error)}'


def _decoded(segmentor: PromptSegmentor, sample: Sample, encoded: Any) -> Segmented:
    notes = sample.record.image.notes
    try:
        masks = [
            decode(segmentor, encoded, boxes.prompts, notes) if boxes.prompts else []
            for boxes in sample.prompted
        ]
    except Exception as error:  # noqa: BLE001 (stands in the ledger; the loop goes on)
        return Segmented(sample, error=_failed(sample, error))
    return Segmented(sample, masks)


def decode(
    segmentor: PromptSegmentor, encoded: Any, prompts: PromptBatch, notes: list[str]
) -> list[Mask]:
    """Return the masks of all prompts, run-length coded, in order.

    Args:
        segmentor: A loaded segmentor.
        encoded: What its ``encode`` returned for the image.
        prompts: At least one prompt.
        notes: Gets what the segmentor says of the chunks, each line once.
    """
    found: list[Mask] = []
    for chunk in segmentor.decode(encoded, prompts):
        notes += [note for note in chunk.notes if note not in notes]
        for i, mask in enumerate(chunk.masks):
            coded = mask_ops.encode(mask)
            found.append(Mask(coded, _at(chunk.scores, i), _at(chunk.stability, i)))
    return found


def _at(values: np.ndarray | None, index: int) -> float | None:
    return None if values is None else round(float(values[index]), 6)


def _batched(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    iterator = iter(samples)
    while batch := list(islice(iterator, size)):
        yield batch
