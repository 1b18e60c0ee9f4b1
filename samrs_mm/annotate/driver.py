"""The annotation driver: a plain loop over images that a bad image never ends.

What is done ahead of the segmentor (decoding, cutting, prompting) is a stream of samples, which
processes can read ahead; what becomes of the masks is the writer's.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.annotate.writer import RecordWriter, Sample
from samrs_mm.core import boxes as box_ops
from samrs_mm.core import masks as mask_ops
from samrs_mm.core import regions, tiling
from samrs_mm.core.boxes import BoxGeometry, BoxLabel, geometry
from samrs_mm.core.classes import ClassTable
from samrs_mm.core.errors import SamrsError, describe
from samrs_mm.core.images import SceneImage, file_sha256, write_png
from samrs_mm.core.masks import Mask
from samrs_mm.core.prompts import (
    CLIPPED,
    PromptBatch,
    PromptSetting,
    prompt_boxes,
    seen_boxes,
)
from samrs_mm.datasets.boxes.base import circumscribed_geometry
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import REGIONS, BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor

_UNSEEN = (box_ops.DEGENERATE, *REGIONS)


class Prompter(Protocol):
    """Enters the boxes of a tile into its record and prompts them."""

    record_type: type[Any]
    """A ``Record``, or what an ablation has instead."""
    circumscribed: bool
    """Whether it needs RH-Boxes."""

    def prompt(
        self, sample: Sample, labels: Sequence[BoxLabel], shapes: BoxGeometry,
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        """Fill ``sample.record.boxes`` and ``sample.prompted`` with the boxes of a tile.

        Their ``shapes``, and width and height of the tile without padding, are in its pixels.
        """


class BoxPrompter:
    """Prompts the boxes with one setting, in one of ``prompts.PROMPT_STYLES``."""

    record_type = Record

    def __init__(self, setting: PromptSetting, table: ClassTable, style: str = CLIPPED):
        self.setting, self.table, self.style = setting, table, style
        self.circumscribed = setting.circumscribed

    def prompt(
        self, sample: Sample, labels: Sequence[BoxLabel], shapes: BoxGeometry,
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        """See ``Prompter``."""
        setting = self.setting
        found = prompt_boxes(setting, labels, shapes, *size, self.style)
        seen = seen_boxes(setting, shapes, *size, self.style)
        image = sample.record.image
        offset = np.array(image.offset, float)
        for i, label in enumerate(labels):
            index = self.table.index(label.category)
            hidden = not (setting.box or setting.mask) or found.statuses[i] in _UNSEEN
            box = BoxEntry.new(
                number=i + 1,
                box_id=label.box_id,
                label=index,
                category=self.table.classes[index],
                prompt=setting.name,
                polygon=shapes.polygons[i],
                scene_polygon=shapes.polygons[i] + offset,
                prompt_box=None if hidden else seen[i],
                status=found.statuses[i],
                reason=found.reasons[i],
                flags=label.flags,
                notes=label.notes,
            )
            if box.status in REGIONS:
                place = offset, size, (image.width, image.height)
                box.enter_region(regions.pixels_of(label, shapes.polygons[i], *place))
            sample.record.boxes.append(box)
        sample.prompted = [found]


class SampleStream:
    """Yields a ``Sample`` for each tile; every scene is decoded once.

    Nothing that happens to one scene ends the stream: the error travels in the sample.

    Args:
        plan: The plan of the dataset.
        groups: Tiles grouped by scene, as ``Plan.shard`` gives them.
        prompter: Enters and prompts the boxes.
        out: Where the images of tiles are written; None writes none.
        done: Stems of tiles that are left out.

    Attributes:
        skipped: Number of tiles that are left out.
    """

    def __init__(
        self,
        plan: Plan,
        groups: Sequence[Sequence[Tile]],
        prompter: Prompter,
        out: AnnotatedFolder | None = None,
        done: Collection[str] = (),
    ):
        self.dataset, self.spec = plan.dataset, plan.spec
        self.prompter, self.out = prompter, out
        left = [[tile for tile in group if tile.stem not in done] for group in groups]
        self.groups = [group for group in left if group]
        self.skipped = sum(map(len, groups)) - len(self)

    def __len__(self) -> int:
        """Return the number of tiles."""
        return sum(map(len, self.groups))

    def __iter__(self) -> Iterator[Sample]:
        for group in self.groups:
            done = 0
            try:
                for sample in self._scene(group):
                    yield sample
                    done += 1
            except Exception as error:  # noqa: BLE001 (no scene may end the run, whatever it is)
                line = self._one_line(error, group)
                for tile in group[done:]:
                    window = tile.window or tiling.Window(0, 0, 0, 0)
                    yield Sample(tile, self._record(tile, window), None, error=line)

    def read(self, workers: int, work: Callable[[Sample], Any] | None = None) -> Iterable[Any]:
        """Return what the stream yields, or what ``work`` makes of it, read ahead by processes.

        With 0 workers this process reads, as it does a single image anyway, and where there is no
        torch, whose DataLoader reads ahead; ``work`` is called in the process that read the sample.
        """
        workers = min(workers, len(self.groups)) if find_spec('torch') else 0
        if not workers or len(self) == 1:
            return self if work is None else map(work, self)
        from samrs_mm.annotate.read_ahead import read_ahead

        return read_ahead(self, workers, work)

    def _one_line(self, error: Exception, group: list[Tile]) -> str:
        """Return an error as one line that names files from the data root on."""
        path = self.dataset.scenes[group[0].scene].image
        if isinstance(error, SamrsError):
            text = str(error)
        elif isinstance(error, OSError):
            text = f'{error.filename or path}: {error.strerror or error}'
        else:
            text = f'{path}: {type(error).__name__}: {error}'
        return ' '.join(text.split()).replace(os.path.join(self.dataset.root, ''), '')

    def _scene(self, group: list[Tile]) -> Iterator[Sample]:
        scene = group[0].scene
        parsed = self.dataset.labels(scene)
        path = self.dataset.image_path(scene)
        labels = parsed.boxes
        image = SceneImage(path)
        if any(label.region for label in labels):
            labels = regions.fitted(labels, image.width, image.height)
        digest = file_sha256(path)
        shapes = (circumscribed_geometry if self.prompter.circumscribed else geometry)(labels)
        rows = [np.arange(len(shapes))]
        windows = [tile.window for tile in group if tile.window]
        if self.spec and windows:
            shares = regions.least_shares(labels, self.spec.iof)
            rows = tiling.assign(shapes.polygons, windows, shares)
        for tile, chosen in zip(group, rows, strict=True):
            part = [labels[i] for i in chosen]
            notes = [*image.notes, *parsed.notes]
            yield self._sample(tile, image, digest, notes, part, shapes[chosen])

    def _sample(
        self,
        tile: Tile,
        image: SceneImage,
        digest: str,
        notes: list[str],
        labels: list[BoxLabel],
        shapes: BoxGeometry,
    ) -> Sample:
        window = tile.window or tiling.Window(0, 0, image.width, image.height)
        pad = self.spec.pad if self.spec else (0, 0, 0)
        pixels = image.crop(window.x, window.y, window.width, window.height, pad)
        if tile.window and self.out:
            path = self.out.path(folder.IMAGES, tile.stem)
            path.parent.mkdir(exist_ok=True)
            write_png(path, pixels)
        record = self._record(tile, window, digest, notes)
        sample = Sample(tile, record, pixels)
        width = min(window.width, image.width - window.x)
        height = min(window.height, image.height - window.y)
        shapes = shapes.shifted(-window.x, -window.y)
        self.prompter.prompt(sample, labels, shapes, (width, height))
        return sample

    def _record(
        self,
        tile: Tile,
        window: tiling.Window,
        digest: str | None = None,
        notes: Sequence[str] = (),
    ) -> Record:
        scene = self.dataset.scenes[tile.scene]
        return self.prompter.record_type.of_image(
            path=scene.image,
            scene=scene.stem,
            split=scene.split,
            offset=[window.x, window.y],
            width=window.width,
            height=window.height,
            sha256=digest,
            notes=list(notes),
        )


@dataclass(frozen=True)
class RunResult:
    """What a pass over some images came to: ``images`` committed, ``skipped`` done before.

    ``failures`` has a line for each image that failed, ``statuses`` counts committed boxes.
    """

    images: int
    skipped: int
    failures: tuple[str, ...]
    statuses: dict[str, int]


class Annotator:
    """Runs a prompt segmentor over a stream of samples and commits what it returns.

    ::

        stream ──► segment ──► writer   masks into the record, label map, record last;
        (workers)     │                 or a failure's record: the next run tries again
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
                for sample in segment(self.segmentor, batch):
                    writer.commit(sample)
                prompts += sum(sample.prompt_count for sample in batch)
                bar.set_postfix_str(f'{prompts} boxes', refresh=False)
                bar.update(len(batch))
        return RunResult(
            writer.images, self.stream.skipped, tuple(writer.failures), dict(writer.statuses)
        )


def segment(segmentor: PromptSegmentor, batch: list[Sample]) -> Iterator[Sample]:
    """Yield each of ``images_per_pass`` samples at most with its masks, or why it has none."""
    prompted = [sample for sample in batch if sample.error is None and sample.prompt_count]
    encoded: dict[int, Any] = {}
    try:
        if prompted:
            codes = segmentor.encode([s.image for s in prompted if s.image is not None])
            encoded = {s.tile.index: code for s, code in zip(prompted, codes, strict=True)}
    except Exception as error:  # noqa: BLE001 (stands in the ledger; the loop goes on)
        for sample in prompted:
            sample.error = _failed(sample, error)
    for sample in batch:
        code = encoded.pop(sample.tile.index, None)
        try:
            if sample.error is None:
                notes = sample.record.image.notes
                sample.masks = [
                    decode(segmentor, code, boxes.prompts, notes) if boxes.prompts else []
                    for boxes in sample.prompted
                ]
                _check_masks(sample)
        except Exception as error:  # noqa: BLE001 (stands in the ledger; the loop goes on)
            sample.error = _failed(sample, error)
        yield sample


def _check_masks(sample: Sample) -> None:
    """Raise a ValueError where a segmentor's masks don't fit their prompts and image."""
    if [len(m) for m in sample.masks] != [len(boxes.chosen) for boxes in sample.prompted]:
        raise ValueError('it gave more or fewer masks than it has prompts')
    size = [sample.record.image.height, sample.record.image.width]
    for mask in chain.from_iterable(sample.masks):
        if mask.segmentation['size'] != size:
            raise ValueError(f'a mask of {mask.segmentation["size"]} in an image of {size}')


def _failed(sample: Sample, error: Exception) -> str:
    return f'{sample.record.image.path}: the segmentor failed: {describe(error)}'


def decode(
    segmentor: PromptSegmentor, encoded: Any, prompts: PromptBatch, notes: list[str]
) -> list[Mask]:
    """Return the masks of all prompts of an image, at least one, run-length coded, in order.

    ``notes`` gets what the segmentor says of the chunks, each line once.
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
