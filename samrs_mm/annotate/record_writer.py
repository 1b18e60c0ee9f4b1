"""Finished images on their way to the disk: files first, the record last, a few at a time.

Threads of this process write, or processes of their own, where a GPU computes: all that Python does
for an image would keep the thread that feeds the GPU waiting for Python's lock.
"""

import contextlib
import errno
import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from samrs_mm.annotate.writer import Sample
from samrs_mm.core.errors import SamrsError, describe
from samrs_mm.core.own_process import OwnProcess
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

_FULL_IN_A_ROW = 8
_IMAGES_A_PROCESS = 16
"""Images that a process has to write at least.

Starting one costs the CPU time of writing about 30, but on a core that would be idle: the first
images are read and encoded meanwhile. Fewer images are written before it is there.
"""


def writing_processes(on_gpu: bool, readers: int, images: int) -> int:
    """Return how many processes write; with 0, threads of this one do.

    A segmentor on the CPU has all cores at work anyway. Beside a GPU there are half as many as
    read ahead, since reading a tile takes twice as long as writing it or more.
    """
    return min(-(-readers // 2), images // _IMAGES_A_PROCESS) if on_gpu else 0


@dataclass(frozen=True)
class Written:
    """What became of an image: statuses of its boxes, or lines on its failure.

    ``full`` counts how often the disk was found full on the way.
    """

    statuses: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    full: int = 0


@dataclass(frozen=True)
class SampleWriter:
    """Writes an image in whatever process; see ``RecordWriter`` for its fields."""

    out: AnnotatedFolder
    complete: Callable[[Sample], None]

    def __call__(self, sample: Sample) -> Written:
        """Complete and write an image; where that fails, record the failure."""
        if sample.error is not None:
            return self.fail(sample, sample.error)
        try:
            self.complete(sample)
            # before the record, which a kill in between would leave with the note of other input
            with contextlib.suppress(OSError):  # without a note the record itself is compared
                self.out.notes.add({sample.tile.stem: sample.note})
            sample.record.write(self.out.path(folder.INSTANCES, sample.tile.stem))
            self.out.path(folder.FAILED, sample.tile.stem).unlink(missing_ok=True)
        except Exception as error:  # noqa: BLE001 (whatever it was, only this image is lost)
            return self.fail(sample, describe(error), _is_full(error))
        return Written(tuple(box.status for box in sample.record.boxes))

    def fail(self, sample: Sample, error: str, full: bool = False) -> Written:
        """Write the record of a failure, which the next run tries again."""
        lines = [error.replace(os.path.join(self.out.root, ''), '')]
        path = self.out.path(folder.FAILED, sample.tile.stem)
        found = int(full)
        try:
            sample.record.fail(lines[0])
            sample.record.write(path)
        except Exception as second:  # noqa: BLE001 (a thread's exception would go unseen)
            if _is_full(second):
                found += 1
            else:
                lines.append(f'{path}: cannot record the failure: {describe(second)}')
        return Written(failures=tuple(lines), full=found)


class RecordWriter:
    """Commits images in the background, never more than ``pending`` ahead of the disk.

    Args:
        out: The annotated folder.
        signature: Signature that goes into every record.
        complete: Enters a sample's masks into its record, and writes all files but the record;
            picklable where there are processes.
        threads: Writing threads, without processes.
        pending: Images that may wait, two for each process at least; ``commit`` blocks beyond.
        processes: Writing processes, see ``writing_processes``; they change no byte.

    Attributes:
        statuses: Count of boxes by status, of the images committed so far.
        images: Number of images committed.
        failures: One line for each image that failed.
    """

    def __init__(
        self,
        out: AnnotatedFolder,
        signature: str,
        complete: Callable[[Sample], None],
        threads: int = 2,
        pending: int = 8,
        processes: int = 0,
    ):
        self.out, self.signature, self.complete = out, signature, complete
        self.statuses: Counter[str] = Counter()
        self.images = 0
        self.failures: list[str] = []
        self._full_in_a_row = 0
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(max(pending, 2 * processes))
        self._pool = ThreadPoolExecutor(processes or threads, thread_name_prefix='writer')
        self._work = SampleWriter(out, complete)
        self._processes, self._idle = processes, SimpleQueue[OwnProcess]()

    def __enter__(self) -> 'Self':
        try:
            for _ in range(self._processes):
                self._idle.put(OwnProcess(self._work))
        except SamrsError as error:
            self.__exit__()
            raise SamrsError(f'{error}; with --workers 0 this one writes the images') from error
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)
        while not self._idle.empty():
            self._idle.get().close()

    def commit(self, sample: Sample) -> None:
        """Queue a finished image, or the record of its failure, which the next run tries again.

        Raises:
            SamrsError: The disk has been full for many images in a row; going on is no use.
        """
        if self._full_in_a_row >= _FULL_IN_A_ROW:
            raise SamrsError(
                f'{self.out.root}: no space left on the device, {self._full_in_a_row} images in a '
                'row could not be written; free some and run the same command to go on'
            )
        sample.let_go()
        sample.record.signature = self.signature
        self._slots.acquire()
        writing = self._pool.submit(self._write, sample)
        writing.add_done_callback(lambda _: self._slots.release())

    def _write(self, sample: Sample) -> None:
        written = self._elsewhere(sample) if self._processes else self._work(sample)
        with self._lock:
            self.failures += written.failures
            if written.failures:
                self._full_in_a_row += written.full
                return
            self._full_in_a_row = 0
            self.images += 1
            self.statuses.update(written.statuses)

    def _elsewhere(self, sample: Sample) -> Written:
        """Have an image written by a process; one that died over another is replaced."""
        process = self._idle.get()
        try:
            if process.ended:
                process = OwnProcess(self._work)
            return process(sample)
        except Exception as error:  # noqa: BLE001 (a thread's exception would go unseen)
            why = f'{sample.tile.stem}: could not be written: {describe(error)}'
            return self._work.fail(sample, why)
        finally:
            self._idle.put(process)


def _is_full(error: Exception) -> bool:
    """Whether an error says that the disk is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
