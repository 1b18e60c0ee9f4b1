"""Work on many items in several processes."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import cv2

from samrs_mm.core.errors import SamrsError
from samrs_mm.core.system import most_processes, start_method

_BATCH = 64


def ordered_map(work: Callable, items: Sequence, workers: int) -> Generator:
    """Yield ``work(item)`` for each item, in order, holding results of a few items only.

    Args:
        work: Picklable; must not raise for a single bad item: that would end all.
        items: Picklable; their results too.
        workers: Processes; 0 works in this one.

    Raises:
        SamrsError: A process died.
    """
    if not workers:
        yield from map(work, items)
        return
    with _pool(work, workers) as pool:
        for start in range(0, len(items), _BATCH * workers):
            batch = items[start : start + _BATCH * workers]
            yield from pool.map(_call, batch, chunksize=4)


def unordered_map(work: Callable, items: Sequence, workers: int) -> Generator:
    """Yield ``work(item)`` as it is done, else as ``ordered_map``; items start in their order."""
    if not workers:
        yield from map(work, items)
        return
    with _pool(work, workers) as pool:
        for future in as_completed([pool.submit(_call, item) for item in items]):
            yield future.result()


@contextlib.contextmanager
def threaded(work: Callable, items: Sequence, threads: int) -> Iterator[Iterator]:
    """Have ``work(item)`` of each item, in order; none is started after the end of the block."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield pool.map(work, items)
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _pool(work: Callable, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Make processes, and end them at once where their results are no longer wanted."""
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context(start_method())
    with ProcessPoolExecutor(most_processes(workers), context, _start, (work,)) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise SamrsError(
                'a working process died, perhaps out of memory; run the same command with fewer '
                '--workers'
            ) from error
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


_work: Callable


def _start(work: Callable) -> None:
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(0)
    if torch := sys.modules.get('torch'):  # what never imported it has no threads of it
        torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


def _call(item: Any) -> Any:
    return _work(item)
