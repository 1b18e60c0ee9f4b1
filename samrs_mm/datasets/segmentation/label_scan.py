"""Find which of many label files hold a labelled pixel, and remember it."""

import contextlib
import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from samrs_mm.core.atomic import whole_lines
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.parallel import threaded
from samrs_mm.core.png_rows import holds_other
from samrs_mm.core.system import lock_file
from samrs_mm.datasets.transforms.pixels import read_label

CACHE = 'labelled.csv'
"""Name of the index: ``stem,bytes,labelled``; the last is 0 of a label that is all 255."""
_TOGETHER = 64  # files that a thread looks at before it gives the results


def find_labelled(
    labels: dict[str, str],
    cache: Path,
    workers: int = 4,
    progress: Callable[[Iterable], Iterator] = iter,
) -> dict[str, bool]:
    """Return of each label file, by stem as they are given, whether any of its pixels isn't 255.

    A PNG is decompressed as far as its first labelled pixel. Results are written to ``cache`` as
    they come, so a killed scan goes on where it stopped; one holds as long as its file keeps its
    size in bytes. Processes that need the same results wait for the first of them. Where the cache
    can't be written, nothing is remembered.

    Raises:
        LabelReadError: A label can't be read before its first labelled pixel.
    """
    with opened(cache) as file:
        known = _read(file)
        sizes = {stem: os.path.getsize(path) for stem, path in labels.items()}
        found = {
            stem: known[stem][1]
            for stem in labels
            if stem in known and known[stem][0] == sizes[stem]
        }
        todo = [stem for stem in labels if stem not in found]
        rows = csv.writer(file, lineterminator='\n')
        parts = [todo[place : place + _TOGETHER] for place in range(0, len(todo), _TOGETHER)]
        with threaded(_look, [[labels[stem] for stem in part] for part in parts], workers) as looks:
            answers = progress(answer for look in looks for answer in look)
            for stem, answer in zip(todo, answers, strict=True):
                found[stem] = answer
                rows.writerow((stem, sizes[stem], int(answer)))
    return found


def _look(paths: Sequence[str]) -> list[bool]:
    return [is_labelled(path) for path in paths]


def is_labelled(path: str) -> bool:
    """Return whether any pixel of a label isn't 255.

    Raises:
        LabelReadError: It can't be read before that.
    """
    try:
        with open(path, 'rb') as file:
            answer = holds_other(file.read(), UNLABELLED)
    except OSError:
        answer = None
    return bool((read_label(path) != UNLABELLED).any()) if answer is None else answer


def opened(cache: Path) -> TextIO:
    """Open a file of rows to read and append, locked; one in memory if it can't be written."""
    try:
        file = open(cache, 'a+', newline='', encoding='utf-8', errors='surrogateescape')
    except OSError:
        return io.StringIO()
    lock_file(file)
    return file


def _read(file: TextIO) -> dict[str, tuple[int, bool]]:
    """Return ``{stem: (bytes, labelled)}``."""
    known = {}
    for row in csv.reader(whole_lines(file)):
        with contextlib.suppress(ValueError):
            stem, size, labelled = row
            known[stem] = int(size), int(labelled) > 0
    return known
