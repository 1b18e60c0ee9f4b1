"""Count labelled pixels of many label files, and remember the counts."""

import contextlib
import csv
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

import numpy as np

from samrs_mm.core.atomic import whole_lines
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.datasets.transforms.pixels import read_label

CACHE = 'labelled.csv'
"""Name of the file of counts: ``stem,bytes,labelled``."""


def count_labelled(
    labels: dict[str, str],
    cache: Path,
    workers: int = 4,
    progress: Callable[[Iterable], Iterator] = iter,
) -> dict[str, int]:
    """Return the number of pixels that aren't 255 in each label file.

    Counts are written down as they come, so a killed scan goes on where it stopped; a count holds
    as long as its file keeps its size in bytes. Processes that need the same counts wait for the
    first of them. Where the cache can't be written, nothing is remembered.

    Args:
        labels: Label file by stem.
        cache: The file of counts.
        workers: Threads; decoding runs outside the interpreter's lock.
        progress: Wraps the iterator over files, to show progress.

    Raises:
        LabelReadError: A label can't be read.
    """
    with _opened(cache) as file:
        known = _read(file)
        sizes = {stem: os.path.getsize(path) for stem, path in labels.items()}
        counts = {
            stem: known[stem][1]
            for stem in labels
            if stem in known and known[stem][0] == sizes[stem]
        }
        todo = [stem for stem in labels if stem not in counts]
        with ThreadPoolExecutor(workers) as pool:
            try:
                results = progress(pool.map(_count, [labels[stem] for stem in todo]))
                for stem, count in zip(todo, results, strict=True):
                    counts[stem] = count
                    _note(file, stem, sizes[stem], count)
            finally:
                pool.shutdown(cancel_futures=True)
    return counts


def _count(path: str) -> int:
    return int(np.count_nonzero(read_label(path) != UNLABELLED))


@contextlib.contextmanager
def _opened(cache: Path) -> Iterator[TextIO | None]:
    try:
        file = open(cache, 'a+', newline='', encoding='utf-8')
    except OSError:
        yield None
        return
    with file:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _read(file: TextIO | None) -> dict[str, tuple[int, int]]:
    """Return ``{stem: (bytes, count)}``."""
    known = {}
    for row in csv.reader(whole_lines(file) if file else ()):
        with contextlib.suppress(ValueError):
            stem, size, count = row
            known[stem] = int(size), int(count)
    return known


def _note(file: TextIO | None, stem: str, size: int, count: int) -> None:
    if file is not None:
        csv.writer(file, lineterminator='\n').writerow((stem, size, count))
