"""What writing an annotated tile costs, by stage, and how it holds up other threads.

Masks are drawn: SAM's logits of blobs, scaled up as the segmentor does it.
"""

import copy
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from sam_stages import Tile

from samrs_mm.annotate.driver import BoxPrompter, SampleStream
from samrs_mm.annotate.plan import Plan
from samrs_mm.annotate.record_writer import RecordWriter
from samrs_mm.annotate.writer import (
    LabelMapWriter,
    MaskFilters,
    Sample,
    enter_masks,
)
from samrs_mm.core import masks as mask_ops
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.datasets.boxes.dota import DOTABoxDataset
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.scale_up import scale_up

_NAP = 0.001


def drawn_sample(root: Path, count: int, side: int) -> Sample:
    """Return a tile of ``count`` boxes with its masks, ready to be committed."""
    tile = Tile.drawn(count, np.array([24, 160]) * side / 1024, side, side // 4)
    (root / 'images').mkdir(parents=True)
    (root / 'labelTxt').mkdir()
    Image.fromarray(tile.image).save(root / 'images/tile.png')
    corners = tile.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]]
    lines = (' '.join(f'{value:.1f}' for value in box) + ' ship 0\n' for box in corners)
    (root / 'labelTxt/tile.txt').write_text(''.join(lines))
    dataset = DOTABoxDataset(str(root))
    dataset.collect_classes()
    plan = Plan(dataset, None)
    prompter = BoxPrompter(PromptSetting('hbox'), dataset.table)
    [sample] = SampleStream(plan, plan.shard(0, 1), prompter)
    coded = [
        mask_ops.encode_window(made.mask, made.y, made.x, side, side)
        for made in scale_up(tile.logits, Frame(side, (side, side)))
    ]
    sample.masks = [[mask_ops.Mask(mask, 0.9, 0.9) for mask in coded]]
    sample.image = None
    return sample


def folder_at(root: Path) -> AnnotatedFolder:
    """Return a new annotated folder."""
    folder = AnnotatedFolder(root)
    folder.open({})
    return folder


def stage_times(sample: Sample, out: AnnotatedFolder) -> dict[str, tuple[float, float]]:
    """Return the CPU and the wall seconds of each stage of writing a tile."""
    times: dict[str, tuple[float, float]] = {}

    def timed(name: str, work: Callable[..., object], *args: object) -> object:
        cpu, wall = time.thread_time(), time.perf_counter()
        result = work(*args)
        times[name] = time.thread_time() - cpu, time.perf_counter() - wall
        return result

    sample = copy.deepcopy(sample)
    record, stem = sample.record, sample.tile.stem
    timed('measured', enter_masks, sample, MaskFilters())
    labels = timed('painted', record.paint, 'small_on_top')
    png = timed('PNG', lambda: cv2.imencode('.png', labels)[1].tobytes())
    timed('PNG, to disk', atomic_write, out.path('semantic', stem), png)
    timed('note', out.notes.add, {stem: sample.note})
    json = timed('JSON', record.dump)
    timed('JSON, to disk', atomic_write, out.path('instances', stem), json)
    return times


def print_stages(scratch: Path, rounds: int, counts: Sequence[int], side: int) -> None:
    """Print the medians of ``stage_times``."""
    found = {}
    for count in counts:
        sample = drawn_sample(scratch / f'stages-{count}', count, side)
        out = folder_at(scratch / f'stages-{count}-out')
        made = [stage_times(sample, out) for _ in range(rounds)]
        found[count] = {
            name: [1000 * statistics.median(each[name][i] for each in made) for i in (0, 1)]
            for name in made[0]
        }
    print(f'\nwriting a tile of {side} px: ms of CPU time, and of time that passes')
    print(f'{"stage":<16}' + ''.join(f'{n:>8} boxes: CPU{"passes":>9}' for n in counts))
    for name in (*found[counts[0]], 'total'):
        cells = [
            [sum(column) for column in zip(*each.values(), strict=True)]
            if name == 'total' else each[name]
            for each in found.values()
        ]  # fmt: skip
        print(f'{name:<16}' + ''.join(f'{cpu:>19.2f}{wall:>9.2f}' for cpu, wall in cells))


def lateness(busy: Callable[[], bool]) -> list[float]:
    """Return by how many seconds a thread that naps a millisecond wakes up late, nap by nap."""
    late = []
    while busy():
        start = time.perf_counter()
        time.sleep(_NAP)
        late.append(time.perf_counter() - start - _NAP)
    return late


def print_threads(scratch: Path, tiles: int, count: int, side: int) -> None:
    """Print tiles a second by writing threads, and how late another thread of the process wakes."""
    sample = drawn_sample(scratch / 'threads', count, side)
    end = time.perf_counter() + 1
    print(f'\n{tiles} tiles of {count} boxes: another thread that naps 1 ms wakes up late by')
    print(f'{"writing threads":<16}{"tiles/s":>9}{"CPU ms a tile":>15}{"median ms":>11}{"99 %":>8}')
    _print_late('none', '-', '-', lateness(lambda: time.perf_counter() < end))
    for threads in (1, 2, 4):
        out = folder_at(scratch / f'threads-{threads}')
        maps = LabelMapWriter(out, 'small_on_top', MaskFilters())
        samples = [copy.deepcopy(sample) for _ in range(tiles)]
        for number, each in enumerate(samples):
            each.tile = replace(each.tile, stem=f'{number:05}')
        writer = RecordWriter(out, 'bench', maps, threads)
        feeder = threading.Thread(target=_commit_all, args=(writer, samples))
        cpu, wall = time.process_time(), time.perf_counter()
        feeder.start()
        late = lateness(feeder.is_alive)
        wall = time.perf_counter() - wall
        assert writer.images == tiles, writer.failures
        each_cpu = 1000 * (time.process_time() - cpu) / tiles
        _print_late(str(threads), f'{tiles / wall:.0f}', f'{each_cpu:.1f}', late)


def _commit_all(writer: RecordWriter, samples: Sequence[Sample]) -> None:
    with writer:
        for sample in samples:
            writer.commit(sample)


def _print_late(threads: str, speed: str, cpu: str, late: Sequence[float]) -> None:
    ms = 1000 * np.array(late)
    print(f'{threads:<16}{speed:>9}{cpu:>15}{np.median(ms):>8.2f} ms{np.quantile(ms, 0.99):>8.2f}')


def print_writing(scratch: Path, rounds: int, tiles: int = 200, side: int = 1024) -> None:
    """Print both tables."""
    print_stages(scratch, 7 * rounds, (16, 200), side)
    print_threads(scratch, tiles, 16, side)
