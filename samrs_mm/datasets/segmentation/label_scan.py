"""Count labelled pixels of many label files, and remember the counts."""

import contextlib
import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from samrs_mm.core.atomic import whole_lines
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.parallel import threaded
from samrs_mm.core.system import lock_file
from samrs_mm.datasets.transforms.pixels import read_label

CACHE = 'labelled.csv'
"""Name of the file of counts: ``stem,bytes,labelled``."""


def count_labelled(
    labels: dict[str, str],
    cache: Path,
    workers: int = 4,
    progress: Callable[[Iterable], Iterator] = iter,
) -> dict[str, int]:
    """Return the number of pixels that aren't 255 in each label file, by stem as they are given.

    Counts are written to ``cache`` as they come, so a killed scan goes on where it stopped; a count
    holds as long as its file keeps its size in bytes. Processes that need the same counts wait for
    the first of them. Where the cache can't be written, nothing is remembered.

    Raises:
        LabelReadError: A label can't be read.
    """
    with opened(cache) as file:
        known = _read(file)
        sizes = {stem: os.path.getsize(path) for stem, path in labels.items()}
        counts = {
            stem: known[stem][1]
            for stem in labels
            if stem in known and known[stem][0] == sizes[stem]
        }
        todo = [stem for stem in labels if stem not in counts]
        rows = csv.writer(file, lineterminator='\n')
        with threaded(_count, [labels[stem] for stem in todo], workers) as results:
            for stem, count in zip(todo, progress(results), strict=True):
                counts[stem] = count
                rows.writerow((stem, sizes[stem], count))
    return counts


def _count(path: str) -> int:
    return int(np.count_nonzero(read_label(path) != UNLABELLED))


def opened(cache: Path) -> TextIO:
    """Open a file of rows to read and append, locked; one in memory if it can't be written."""
    try:
        file = open(cache, 'a+', newline='', encoding='utf-8', errors='surrogateescape')
    except OSError:
        return io.StringIO()
    lock_file(file)
    return file


def _read(file: TextIO) -> dict[str, tuple[int, int]]:
    """Return ``{stem: (bytes, count)}``."""
    known = {}
    for row in csv.reader(whole_lines(file)):
        with contextlib.suppress(ValueError):
            stem, size, count = row
            known[stem] = int(size), int(count)
    return known
