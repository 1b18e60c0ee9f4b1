"""Read every image and label of datasets before training, and remember those that are right."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core.atomic import whole_lines
from samrs_mm.core.errors import SamrsError, describe
from samrs_mm.core.parallel import ordered_map
from samrs_mm.datasets.segmentation.label_scan import opened
from samrs_mm.datasets.segmentation.label_survey import hint
from samrs_mm.datasets.segmentation.parts import Part, TransformReader, WindowReader

MEMORY = 'checked.csv'
"""What was read of a folder: ``reading,image,stamp,counts``, in that folder."""

_KEYS = ('img_path', 'seg_map_path', 'pack_path', 'record_path', 'num_classes', 'label_map',
         'reduce_zero_label', 'seg_fields')  # fmt: skip


class Memory:
    """The images of a folder that were read whole and found right.

    An image is remembered as long as it and its label keep their sizes and times, and the dataset
    its classes. Its row holds how many pixels have each value, so what it teaches is known, too.
    """

    def __init__(self, root: Path):
        self.path, self.root = root / MEMORY, root

    @cached_property
    def rows(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Stamp and counts by reading and image."""
        rows = {}
        if self.path.is_file():
            with open(self.path, newline='', encoding='utf-8', errors='replace') as file:
                for row in csv.reader(line for line in file if line.endswith('\n')):
                    if len(row) == 4:
                        reading, image, stamp, counts = row
                        rows[reading, image] = stamp, counts
        return rows

    def known(self, part: Part, info: Mapping[str, Any]) -> np.ndarray | None:
        """Return the counts of a label as ``WindowReader.look``, if it is remembered."""
        if not self.rows:
            return None
        stamp, counts = self.rows.get(self.key(part, info), ('', ''))
        if not stamp or stamp != stamp_of(info):
            return None
        result = np.zeros(256, np.int64)
        for pair in counts.split():
            value, count = pair.split(':')
            result[int(value)] = int(count)
        return result

    def key(self, part: Part, info: Mapping[str, Any]) -> tuple[str, str]:
        """Return what stands for how a label is read, and for its image."""
        path, below = info.get('pack_path') or info['img_path'], f'{self.root}{os.sep}'
        image = path[len(below) :] if path.startswith(below) else os.path.relpath(path, self.root)
        return part.reading, image.replace(os.sep, '/')


class Memories:
    """The memories of several folders."""

    def __init__(self) -> None:
        self._of: dict[Path, Memory] = {}

    def of(self, part: Part) -> Memory:
        """Return that of a dataset: in its ``data_root``, else beside its first image."""
        root = getattr(part.dataset, 'data_root', None)
        if not root:
            root = Path(part.info(0)['img_path']).parent
        return self._of.setdefault(Path(root), Memory(Path(root)))

    def known(self, part: Part, info: Mapping[str, Any]) -> np.ndarray | None:
        """As ``Memory.known``."""
        return self.of(part).known(part, info)

    def any(self, parts: Iterable[Part]) -> bool:
        """Whether anything is remembered of datasets."""
        return any(part.reader and self.of(part).rows for part in parts)


def check_all(
    parts: Sequence[Part],
    workers: int,
    memories: Memories,
    progress: Callable[..., Iterable],
) -> tuple[int, int, list[str]]:
    """Read all images and labels that aren't remembered.

    Each is noted as it is found right, so a killed check goes on where it stopped.

    Args:
        parts: Datasets whose labels can be read.
        workers: Processes; 0 works in this one.
        memories: Where to look and to note.
        progress: Shows the results going by; takes their ``total``.

    Returns:
        The number of images that were read, that of others, and the faults.
    """
    read, faults, all_keys = 0, [], set()
    by_memory: dict[Memory, list[Part]] = {}
    for part in parts:
        by_memory.setdefault(memories.of(part), []).append(part)
    for memory, of in by_memory.items():
        todo = {}
        for part in of:
            for index in range(len(part)):
                info = part.info(index)
                key = memory.key(part, info)
                if memory.known(part, info) is None:
                    slim = {name: info[name] for name in _KEYS if name in info}
                    todo[key] = part.reader, slim, len(part.classes)
                all_keys.add((memory.root, *key))
        for key, result in zip(todo, _read_all(todo, workers, progress, memory), strict=True):
            read += 1
            if isinstance(result, str):
                faults.append(result)
            else:
                memory.rows[key] = result
    return read, len(all_keys) - read, faults


def _read_all(
    todo: Mapping[tuple[str, str], tuple],
    workers: int,
    progress: Callable[..., Iterable],
    memory: Memory,
) -> Iterator[tuple[str, str] | str]:
    """Yield stamp and counts, or the fault, of each image; note the former."""
    if not todo:
        return
    items = [*todo.values()]
    with opened(memory.path) as file:
        whole_lines(file)
        rows = csv.writer(file, lineterminator='\n')
        results = progress(ordered_map(_read, items, workers), total=len(items))
        for key, result in zip(todo, results, strict=True):
            if not isinstance(result, str):
                rows.writerow((*key, *result))
                file.flush()
            yield result


def _read(item: tuple[WindowReader | TransformReader, dict[str, Any], int]) -> tuple | str:
    reader, info, classes = item
    try:
        stamp = stamp_of(info)  # before reading: what changes meanwhile is read again
        counts = reader.read(info)
    except SamrsError as error:
        return f'{error}{hint(error, info, classes)}'
    except (OSError, ValueError, MemoryError) as error:
        return f'{info.get("pack_path") or info["img_path"]}: {describe(error)}'
    values = np.flatnonzero(counts)
    return stamp, ' '.join(f'{value}:{counts[value]}' for value in values)


def stamp_of(info: Mapping[str, Any]) -> str:
    """Return sizes and times of an image's files; '' where one is missing."""
    plain = [info[key] for key in ('img_path', 'seg_map_path', 'record_path') if key in info]
    paths = [info['pack_path']] if info.get('pack_path') else plain
    try:
        stats = [os.stat(path) for path in paths]
    except OSError:
        return ''
    return '/'.join(f'{stat.st_size}:{stat.st_mtime_ns}' for stat in stats)
